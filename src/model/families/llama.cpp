// LLaMA 1, 2, 3 and what is built like them (TinyLlama, CodeLlama, Yi): gated FFN, RMS norm, rotary positions.
#include "model/family.h"

namespace prunenet {

TransformerSpec llama_transformer(const Config& config) {
  TransformerSpec spec;
  spec.norm_epsilon = config.number("rms_norm_eps", 1e-6);
  spec.activation = config.text("hidden_act").value_or("silu");
  spec.rotary_theta = config.number("rope_theta", 10000);
  return spec;
}

FamilySpec llama_family() {
  FamilySpec family;
  family.name = "llama";
  family.model_types = {"llama"};
  family.architectures = {"LlamaForCausalLM"};
  family.gate = "mlp.gate_proj";
  family.head_dim_since = "transformers 4.45";
  family.heads_divide_hidden = true;
  family.like_deci = true;
  family.transformer = llama_transformer;
  return family;
}

}  // namespace prunenet
