// A family: how a config.json of one model_type spells its sizes and how its FFN tensors are named and laid out.
// One description file each under families/; a new family is one such file and its line in the table of families.cpp.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/transformer.h"

namespace prunenet {

enum class FfnLayout {
  kGated,      // gate, up, down
  kFusedGate,  // gate and up stacked in one tensor [2F, D], gate first; down
  kPlain,      // up (fc1), down (fc2)
  kConv1d,     // plain, stored [in, out]
};

using Names = std::vector<std::string_view>;

/// How a family computes, for one config: where its attention, norms and positions are and what they are. Names of
/// modules are relative to the layer and get ".weight" and ".bias"; of several, the first that is stored counts.
struct TransformerSpec {
  BlockKind block = BlockKind::kSequential;
  std::string_view query = "self_attn.q_proj", key = "self_attn.k_proj", value = "self_attn.v_proj",
                   output = "self_attn.o_proj";
  std::string_view fused;    // instead of query, key and value
  bool fused_optional = false;  // only in the layers that store it
  bool interleaved = false;  // fused: a run of queries, keys and values for each key-value head
  bool conv1d = false;       // stored [in, out]
  std::string_view query_norm, key_norm;
  bool scale_by_layer = false;  // scores are divided by the layer's number, from 1, too
  bool scaled_scores = true;    // scores are divided by sqrt(head_dim)
  int64_t window = 0, window_from_layer = 0;

  NormKind norm = NormKind::kRmsNorm;
  double norm_epsilon = 1e-6, norm_gain_offset = 0;
  Names attention_norms{"input_layernorm"}, ffn_norms{"post_attention_layernorm"};
  Names final_norms{"model.norm", "norm"};  // whole names
  bool final_norm_required = true;

  std::string activation = "silu";  // as config.json spells it
  double embedding_scale = 1;
  Names project_in, project_out;  // whole names
  double rotary_fraction = 1, rotary_theta = 10000;
  bool rotary = true, alibi = false;
  bool adjacent_pairs = false;  // rotary turns numbers 2 i and 2 i + 1 of a head
  Names positions;  // whole names of the learned ones
  int64_t position_offset = 0;
};

struct FamilySpec {
  std::string_view name;
  Names model_types;    // of config.json, exact
  Names architectures;  // what counts where there is no model_type

  // Keys of config.json; where several are given, the first present one counts.
  Names hidden_keys{"hidden_size"};
  Names layer_keys{"num_hidden_layers"};
  Names head_keys{"num_attention_heads"};
  Names kv_head_keys{"num_key_value_heads"};
  Names width_keys{"intermediate_size"};
  Names vocab_keys{"vocab_size"};
  std::optional<int64_t> default_width_per_hidden;              // FFN width / hidden where the key is absent or null
  int64_t (*kv_heads)(const Config&, int64_t heads) = nullptr;  // where the plain key does not tell

  FfnLayout ffn = FfnLayout::kGated;
  Names layer_prefixes{"model.layers.", "layers."};  // then "<index>."
  std::string_view gate, up = "mlp.up_proj",
                         down = "mlp.down_proj";  // then ".weight", ".bias"; fused: `up` is the stack

  Names embeddings{"model.embed_tokens.weight", "embed_tokens.weight"};
  Names heads{"lm_head.weight"};
  Names buffer_suffixes{".rotary_emb.inv_freq"};

  // Heads can be cut where a stock config may state head_dim apart from hidden / heads, since the release named.
  std::string_view head_dim_since;                          // "transformers 4.45"; empty: it may not
  std::string (*heads_fixed)(const Config&) = nullptr;      // why this config cannot have them cut; empty: it can
  bool heads_divide_hidden = false;                         // transformers 5 wants so, whatever head_dim says
  bool like_deci = false;                                   // the tensors of a layer are those of DeciLM
  // The sizes of every layer, where config.json states them one by one; empty where this one does not.
  std::vector<LayerSizes> (*layer_sizes)(const Config&, int64_t layers, int64_t hidden, int64_t heads) = nullptr;

  TransformerSpec (*transformer)(const Config&) = nullptr;
};

/// The family of a config; with the names and layouts of GGUF where the config is made of GGUF metadata. Throws
/// kUnsupported naming what was found and what is supported.
const FamilySpec& find_family(const Config& config);

/// Whether the layer stores query, key and value in one tensor.
bool stores_fused(const TensorLookup& find, const TransformerSpec& spec, const std::string& layer);

/// What LLaMA computes, with the sizes and constants of this config; the families built like it begin here.
TransformerSpec llama_transformer(const Config& config);

// The description files of families/.
FamilySpec llama_family();
FamilySpec mistral_family();
FamilySpec qwen2_family();
FamilySpec phi_family();
FamilySpec phi3_family();
FamilySpec opt_family();
FamilySpec falcon_family();
FamilySpec gpt_neox_family();
FamilySpec gpt2_family();
FamilySpec gemma_family();
FamilySpec deci_family();

/// Those of GGUF, by the architecture that the metadata names (families/gguf.cpp): the arithmetic of the family above,
/// with the names and layouts of llama.cpp.
struct GgufFamily {
  std::string_view architecture;
  FamilySpec spec;
};
const std::vector<GgufFamily>& gguf_families();

}  // namespace prunenet
