// Falcon: 7B (multi-query), 40B and 180B (new decoder, grouped keys and values), RW (alibi, biases). Early checkpoints
// call themselves RefinedWebModel and RefinedWeb and spell the sizes as Bloom did.
#include "model/family.h"

namespace prunenet {
namespace {

int64_t falcon_kv_heads(const Config& config, int64_t heads) {
  constexpr std::string_view kKeys[] = {"num_kv_heads", "n_head_kv"};
  if (config.flag("new_decoder_architecture", config.text("model_type") == "RefinedWeb")) {
    return config.find_size(kKeys).value_or(heads);
  }
  return config.flag("multi_query", true) ? 1 : heads;
}

TransformerSpec falcon_transformer(const Config& config) {
  TransformerSpec spec;
  const bool new_decoder = config.flag("new_decoder_architecture", config.text("model_type") == "RefinedWeb");
  const bool parallel = new_decoder || config.flag("parallel_attn", true);
  spec.block = parallel ? BlockKind::kParallel : BlockKind::kSequential;
  spec.fused = "self_attention.query_key_value";
  spec.interleaved = new_decoder || !config.flag("multi_query", true);
  spec.output = "self_attention.dense";
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = config.number("layer_norm_epsilon", 1e-5);
  spec.attention_norms = {"ln_attn", "input_layernorm"};
  spec.ffn_norms = {"ln_mlp", "post_attention_layernorm"};
  spec.final_norms = {"transformer.ln_f", "ln_f"};
  spec.activation = config.text("activation").value_or("gelu");
  spec.rotary_theta = config.number("rope_theta", 10000);
  spec.alibi = config.flag("alibi", false);
  spec.rotary = !spec.alibi;
  return spec;
}

}  // namespace

FamilySpec falcon_family() {
  FamilySpec family;
  family.name = "falcon";
  family.model_types = {"falcon", "RefinedWebModel", "RefinedWeb"};
  family.architectures = {"FalconForCausalLM", "RWForCausalLM"};
  family.layer_keys = {"num_hidden_layers", "n_layer"};
  family.head_keys = {"num_attention_heads", "n_head"};
  family.width_keys = {"ffn_hidden_size"};
  family.default_width_per_hidden = 4;
  family.kv_heads = falcon_kv_heads;
  family.ffn = FfnLayout::kPlain;
  family.layer_prefixes = {"transformer.h.", "h."};
  family.up = "mlp.dense_h_to_4h";
  family.down = "mlp.dense_4h_to_h";
  family.embeddings = {"transformer.word_embeddings.weight", "word_embeddings.weight"};
  family.transformer = falcon_transformer;
  return family;
}

}  // namespace prunenet
