// OPT, 125m to 66b; the 350m is post-norm with projections around the layers, which the cut does not touch.
#include "model/family.h"

namespace prunenet {

FamilySpec opt_family() {
  FamilySpec family;
  family.name = "opt";
  family.model_types = {"opt"};
  family.architectures = {"OPTForCausalLM"};
  family.width_keys = {"ffn_dim"};
  family.ffn = FfnLayout::kPlain;
  family.layer_prefixes = {"model.decoder.layers.", "decoder.layers.", "layers."};
  family.up = "fc1";
  family.down = "fc2";
  family.embeddings = {"model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight",
                       "decoder.embed_tokens.weight",       "decoder.embed_positions.weight",
                       "embed_tokens.weight",               "embed_positions.weight"};
  return family;
}

}  // namespace prunenet
