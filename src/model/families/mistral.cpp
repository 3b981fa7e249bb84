// Mistral: tensors as LLaMA, attention over a sliding window.
#include "model/family.h"

namespace prunenet {

FamilySpec mistral_family() {
  FamilySpec family = llama_family();
  family.name = "mistral";
  family.model_types = {"mistral"};
  family.architectures = {"MistralForCausalLM"};
  return family;
}

}  // namespace prunenet
