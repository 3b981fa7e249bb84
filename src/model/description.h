// What a model is, as far as shrinking it needs: its layers, their FFN matrices and the COUPLED GROUPS of tensor rows and
// columns that must be cut together. Built from config.json and tensor names and shapes alone: no weights are read.
// After this, nothing asks for an architecture by name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "checkpoint/checkpoint.h"

namespace prunenet {

/// A matrix [rows, cols] = [out, in] inside a stored tensor.
struct MatrixRef {
  std::string tensor;
  int64_t first_row = 0;  // where its rows begin, in a tensor that stacks several matrices
  int64_t rows = 0, cols = 0;
  bool transposed = false;  // stored [in, out], as Conv1D of GPT-2
};

/// Where the units of a group lie along an axis: unit u owns the `count` indices from `first + u * stride` on.
struct UnitRun {
  int64_t first = 0, count = 1, stride = 1;
};

/// One tensor of a coupled group: a unit owns the indices of all `runs` along `axis`, which do not overlap. One run of
/// single rows for the neurons of a plain matrix; two for gate and up in one tensor; one of whole heads for a KV group.
struct CoupledMember {
  std::string tensor;
  int axis = 0;
  std::vector<UnitRun> runs;  // in the order in which they are stored
};

/// Rows and columns that mean the same thing and live or die together.
struct CoupledGroup {
  std::string name;   // "layer 3 FFN neurons", "layer 3 KV groups"
  int64_t width = 0;  // number of units: neurons, or groups of query heads that share a key-value head
  std::vector<CoupledMember> members;
};

/// The indices along the member's axis that the units `kept` (ascending) own, in the order in which they are stored:
/// run by run, unit by unit within a run.
std::vector<int64_t> owned_indices(const CoupledMember& member, const std::vector<int64_t>& kept);

/// The feed-forward network of a layer: down(act(gate x) * up x), or down(act(up x)) where there is no gate.
struct FfnDescription {
  std::optional<MatrixRef> gate;        // [F, D]
  MatrixRef up;                         // [F, D]; fc1 of a plain FFN
  MatrixRef down;                       // [D, F]; fc2 of a plain FFN
  std::optional<std::string> down_bias; // [D], never cut
  CoupledGroup neurons;                 // rows of gate and up with their biases, columns of down

  /// The matrix PruneNet looks at: gate of a gated FFN, else fc1.
  const MatrixRef& policy_view() const { return gate ? *gate : up; }
};

/// Attention of a layer, as far as cutting heads needs it. A KV group is a key-value head with the query heads that share
/// it: rows of query, key and value with their biases, columns of the output projection, always whole heads.
struct HeadsDescription {
  MatrixRef output;                        // [D, heads * head_dim]; no tensor where the checkpoint holds none
  std::optional<std::string> output_bias;  // [D], never cut
  CoupledGroup kv_groups;                  // width kv_heads; no members where the tensors do not fit the heads
};

struct LayerDescription {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;  // as stored; as the config says where no attention is stored
  FfnDescription ffn;
  HeadsDescription attention;
};

/// How config.json states the sizes that a cut changes. Whoever writes one asks no family by name.
struct ConfigKeys {
  std::vector<std::string> layers;        // every key that states the number of layers
  std::string heads, kv_heads, head_dim;  // empty where heads cannot be cut, for the reason below
  std::string heads_fixed;                // why heads cannot be cut; empty: they can
  std::string heads_since;                // "transformers 4.45": the first stock release that reads head_dim
  bool heads_divide_hidden = false;       // transformers 5 wants the hidden size to be a multiple of the query heads
  std::string layers_fixed;               // why no layer can be dropped; empty: they can
  std::string deci_refused;               // why it cannot be written in the DeciLM layout; empty: it can
  bool per_layer = false;                 // it is in the DeciLM layout: block_configs state every layer
};

/// Sizes of a layer that a cut changes.
struct LayerSizes {
  int64_t width = 0, heads = 0, kv_heads = 0;
  bool operator==(const LayerSizes&) const = default;
};

struct ModelDescription {
  std::string family;      // "llama", "falcon" ...
  std::string model_type;  // as config.json says
  int64_t hidden = 0, vocab = 0;
  std::vector<LayerDescription> layers;
  std::string layer_prefix;  // "model.layers.": names of a layer's tensors go on with its index and a dot

  std::string width_key;       // the key of config.json that states the FFN width
  int64_t config_width = 0;    // what it states (or what its absence means); of layer 0 where it states every layer
  std::vector<LayerSizes> config_layers;  // what it states of each layer
  ConfigKeys keys;
  bool tied_head = false;      // the output head is the embedding
  std::vector<std::string> embeddings;  // tensors that are looked up and not multiplied
  std::vector<std::string> buffers;     // tensors that are no parameters: masks, rotary tables

  int64_t max_context = 0;      // longest sequence in ids that the config states; 0: it states none
  std::optional<TokenId> bos;   // as config.json says
  std::vector<TokenId> eos;

  std::vector<int64_t> ffn_widths() const;
  LayerSizes sizes(size_t layer) const;  // as stored
  /// All layers have the width that config.json states for them, so that stock programs load it.
  bool width_is_uniform() const;
  /// Likewise of the heads.
  bool heads_match_config() const;
};

/// Finds a tensor's name, type and shape, or nullptr.
using TensorLookup = std::function<const TensorSpec*(const std::string& name)>;
/// That of a checkpoint, which must outlive it.
TensorLookup tensor_lookup(const Checkpoint& checkpoint);

/// Describes the model of a checkpoint. `tensor_names` are all that are stored. Throws kFormat (config is no JSON or
/// lacks a key), kUnsupported (unknown family, mixture of experts, quantised weights: each named), kMismatch (tensors
/// missing or of another shape than config and their group say).
ModelDescription describe_model(const std::string& config_text, const TensorLookup& find,
                                const std::vector<std::string>& tensor_names, const std::string& where);
ModelDescription describe_model(const Checkpoint& checkpoint);

/// Numbers of parameters, of bytes and of operations. One rule for the dense and the cut model.
struct ModelSize {
  int64_t params = 0;           // elements of all tensors that are parameters; a tied head counts once
  int64_t ffn_params = 0;       // of those, in gate, up, down and their biases
  int64_t bytes = 0;            // stored tensor data
  int64_t flops_per_token = 0;  // 2 per element of every matrix multiplied, head included; attention scores (which grow
                                // with the context) are not counted
};

/// `tensors`: all of them, of the dense model or as they will be after a cut.
ModelSize measure_size(const ModelDescription& model, const std::vector<TensorSpec>& tensors);

/// Names of the families that can be described, for messages.
std::vector<std::string> supported_families();

}  // namespace prunenet
