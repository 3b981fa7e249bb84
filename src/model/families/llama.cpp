// LLaMA 1, 2, 3 and what is built like them (TinyLlama, CodeLlama, Yi): gated FFN, RMS norm, rotary positions.
#include "model/family.h"

namespace prunenet {

FamilySpec llama_family() {
  FamilySpec family;
  family.name = "llama";
  family.model_types = {"llama"};
  family.architectures = {"LlamaForCausalLM"};
  family.gate = "mlp.gate_proj";
  return family;
}

}  // namespace prunenet
