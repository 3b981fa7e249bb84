// GPT-NeoX and Pythia: plain FFN with biases, usually in parallel with attention.
#include "model/family.h"

namespace prunenet {

FamilySpec gpt_neox_family() {
  FamilySpec family;
  family.name = "gpt_neox";
  family.model_types = {"gpt_neox"};
  family.architectures = {"GPTNeoXForCausalLM"};
  family.ffn = FfnLayout::kPlain;
  family.layer_prefixes = {"gpt_neox.layers.", "layers."};
  family.up = "mlp.dense_h_to_4h";
  family.down = "mlp.dense_4h_to_h";
  family.embeddings = {"gpt_neox.embed_in.weight", "embed_in.weight"};
  family.heads = {"embed_out.weight"};
  family.buffer_suffixes = {".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"};
  return family;
}

}  // namespace prunenet
