// Qwen2 and Qwen2.5: tensors as LLaMA, with biases on query, key and value.
#include "model/family.h"

namespace prunenet {

FamilySpec qwen2_family() {
  FamilySpec family = llama_family();
  family.name = "qwen2";
  family.model_types = {"qwen2"};
  family.architectures = {"Qwen2ForCausalLM"};
  return family;
}

}  // namespace prunenet
