// Phi-1, Phi-1.5 and Phi-2: plain FFN with biases, in parallel with attention. Phi-3 is another family.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec phi_transformer(const Config& config) {
  TransformerSpec spec;
  spec.block = BlockKind::kParallel;
  spec.output = "self_attn.dense";
  spec.query_norm = "self_attn.q_layernorm";
  spec.key_norm = "self_attn.k_layernorm";
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = config.number("layer_norm_eps", 1e-5);
  spec.ffn_norms = {};
  spec.final_norms = {"model.final_layernorm", "final_layernorm"};
  spec.activation = config.text("hidden_act").value_or("gelu_new");
  spec.rotary_fraction = config.number("partial_rotary_factor", 0.5);
  spec.rotary_theta = config.number("rope_theta", 10000);
  return spec;
}

}  // namespace

FamilySpec phi_family() {
  FamilySpec family;
  family.name = "phi";
  family.model_types = {"phi"};
  family.architectures = {"PhiForCausalLM"};
  family.ffn = FfnLayout::kPlain;
  family.up = "mlp.fc1";
  family.down = "mlp.fc2";
  family.transformer = phi_transformer;
  return family;
}

}  // namespace prunenet
