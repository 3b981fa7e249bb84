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

/// One tensor of a coupled group. Along `axis` it holds `blocks` stacked runs of the group's width: 2 for gate and up in
/// one tensor, else 1. Keeping a set S of the group keeps the rows (columns) b * width + s of every block b.
struct CoupledMember {
  std::string tensor;
  int axis = 0;
  int64_t blocks = 1;
};

/// Rows and columns that mean the same thing and live or die together.
struct CoupledGroup {
  std::string name;  // "layer 3 FFN neurons"
  int64_t width = 0;
  std::vector<CoupledMember> members;
};

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

struct LayerDescription {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  FfnDescription ffn;
};

struct ModelDescription {
  std::string family;      // "llama", "falcon" ...
  std::string model_type;  // as config.json says
  int64_t hidden = 0, vocab = 0;
  std::vector<LayerDescription> layers;

  std::string width_key;       // the key of config.json that states the FFN width
  int64_t config_width = 0;    // what it states (or what its absence means)
  bool tied_head = false;      // the output head is the embedding
  std::vector<std::string> embeddings;  // tensors that are looked up and not multiplied
  std::vector<std::string> buffers;     // tensors that are no parameters: masks, rotary tables

  int64_t max_context = 0;      // longest sequence in ids that the config states; 0: it states none
  std::optional<TokenId> bos;   // as config.json says
  std::vector<TokenId> eos;

  std::vector<int64_t> ffn_widths() const;
  /// All layers have the width that config.json states, so that stock programs load it.
  bool width_is_uniform() const;
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
