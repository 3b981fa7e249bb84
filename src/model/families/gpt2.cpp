// GPT-2: Conv1D matrices, stored [in, out]; the width key n_inner is null by default and then means 4 x n_embd.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec gpt2_transformer(const Config& config) {
  TransformerSpec spec;
  spec.fused = "attn.c_attn";
  spec.output = "attn.c_proj";
  spec.conv1d = true;
  spec.scaled_scores = config.flag("scale_attn_weights", true);
  spec.scale_by_layer = config.flag("scale_attn_by_inverse_layer_idx", false);
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = config.number("layer_norm_epsilon", 1e-5);
  spec.attention_norms = {"ln_1"};
  spec.ffn_norms = {"ln_2"};
  spec.final_norms = {"transformer.ln_f", "ln_f"};
  spec.activation = config.text("activation_function").value_or("gelu_new");
  spec.rotary = false;
  spec.positions = {"transformer.wpe", "wpe"};
  return spec;
}

}  // namespace

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
  family.transformer = gpt2_transformer;
  return family;
}

}  // namespace prunenet
