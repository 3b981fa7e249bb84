// GPT-NeoX and Pythia: plain FFN with biases, usually in parallel with attention.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec gpt_neox_transformer(const Config& config) {
  constexpr std::string_view kFraction[] = {"rotary_pct", "partial_rotary_factor"};
  constexpr std::string_view kTheta[] = {"rotary_emb_base", "rope_theta"};
  TransformerSpec spec;
  spec.block = config.flag("use_parallel_residual", true) ? BlockKind::kParallel : BlockKind::kSequential;
  spec.fused = "attention.query_key_value";
  spec.interleaved = true;
  spec.output = "attention.dense";
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = config.number("layer_norm_eps", 1e-5);
  spec.final_norms = {"gpt_neox.final_layer_norm", "final_layer_norm"};
  spec.activation = config.text("hidden_act").value_or("gelu");
  spec.rotary_fraction = config.find_number(kFraction).value_or(0.25);
  spec.rotary_theta = config.find_number(kTheta).value_or(10000);
  return spec;
}

}  // namespace

FamilySpec gpt_neox_family() {
  FamilySpec family;
  family.name = "gpt_neox";
  family.model_types = {"gpt_neox"};
  family.architectures = {"GPTNeoXForCausalLM"};
  family.ffn = FfnLayout::kPlain;
  family.layer_prefixes = {"gpt_neox.layers.", "layers."};
  family.up = "mlp.dense_h_to_4h";
  family.down = "mlp.dense_4h_to_h";
  family.embeddings = {"gpt_neox.embed_in.weight", "embed_in.weight"};
  family.heads = {"embed_out.weight"};
  family.buffer_suffixes = {".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"};
  family.transformer = gpt_neox_transformer;
  return family;
}

}  // namespace prunenet
