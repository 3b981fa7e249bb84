// Phi-1, Phi-1.5 and Phi-2: plain FFN with biases, in parallel with attention. Phi-3 is another family.
#include "model/family.h"

namespace prunenet {

FamilySpec phi_family() {
  FamilySpec family;
  family.name = "phi";
  family.model_types = {"phi"};
  family.architectures = {"PhiForCausalLM"};
  family.ffn = FfnLayout::kPlain;
  family.up = "mlp.fc1";
  family.down = "mlp.fc2";
  return family;
}

}  // namespace prunenet
