// Phi-3: gate and up stacked in one tensor, query, key and value in another.
#include "model/family.h"

namespace prunenet {

FamilySpec phi3_family() {
  FamilySpec family;
  family.name = "phi3";
  family.model_types = {"phi3"};
  family.architectures = {"Phi3ForCausalLM"};
  family.ffn = FfnLayout::kFusedGate;
  family.up = "mlp.gate_up_proj";
  return family;
}

}  // namespace prunenet
