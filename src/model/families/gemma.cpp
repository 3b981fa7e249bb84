// Gemma (the first): tensors as LLaMA, head_dim stated apart, the head always tied to the embedding.
#include "model/family.h"

namespace prunenet {

FamilySpec gemma_family() {
  FamilySpec family = llama_family();
  family.name = "gemma";
  family.model_types = {"gemma"};
  family.architectures = {"GemmaForCausalLM"};
  return family;
}

}  // namespace prunenet
