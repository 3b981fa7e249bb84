// GPT-2: Conv1D matrices, stored [in, out]; the width key n_inner is null by default and then means 4 x n_embd.
#include "model/family.h"

namespace prunenet {

FamilySpec gpt2_family() {
  FamilySpec family;
  family.name = "gpt2";
  family.model_types = {"gpt2"};
  family.architectures = {"GPT2LMHeadModel"};
  family.hidden_keys = {"n_embd", "hidden_size"};
  family.layer_keys = {"n_layer", "num_hidden_layers"};
  family.head_keys = {"n_head", "num_attention_heads"};
  family.width_keys = {"n_inner"};
  family.default_width_per_hidden = 4;
  family.ffn = FfnLayout::kConv1d;
  family.layer_prefixes = {"transformer.h.", "h."};
  family.up = "mlp.c_fc";
  family.down = "mlp.c_proj";
  family.embeddings = {"transformer.wte.weight", "transformer.wpe.weight", "wte.weight", "wpe.weight"};
  family.buffer_suffixes = {".attn.bias", ".attn.masked_bias"};
  return family;
}

}  // namespace prunenet
