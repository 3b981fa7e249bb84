// Phi-3: gate and up stacked in one tensor, query, key and value in another.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec phi3_transformer(const Config& config) {
  constexpr std::string_view kWindow[] = {"sliding_window"};
  TransformerSpec spec = llama_transformer(config);
  spec.norm_epsilon = config.number("rms_norm_eps", 1e-5);
  spec.fused = "self_attn.qkv_proj";
  spec.window = config.find_size(kWindow).value_or(0);
  spec.rotary_fraction = config.number("partial_rotary_factor", 1);  // Phi-4-mini turns three quarters
  return spec;
}

// Phi3Config of transformers holds the factors of longrope against hidden / heads, whatever head_dim says.
std::string phi3_heads_fixed(const Config& config) {
  const auto parameters = config.section("rope_parameters");
  if (!config.states("rope_scaling") && !(parameters && parameters->states("short_factor"))) return {};
  return "transformers holds the factors of its longrope against hidden / heads, whatever head_dim says";
}

}  // namespace

FamilySpec phi3_family() {
  FamilySpec family;
  family.name = "phi3";
  family.model_types = {"phi3"};
  family.architectures = {"Phi3ForCausalLM"};
  family.ffn = FfnLayout::kFusedGate;
  family.up = "mlp.gate_up_proj";
  family.transformer = phi3_transformer;
  family.head_dim_since = "transformers 4.48";
  family.heads_fixed = phi3_heads_fixed;
  return family;
}

}  // namespace prunenet
