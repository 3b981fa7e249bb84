// OPT, 125m to 66b; the 350m is post-norm with projections around the layers, which the cut does not touch.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec opt_transformer(const Config& config) {
  TransformerSpec spec;
  const bool pre_norm = config.flag("do_layer_norm_before", true);
  spec.block = pre_norm ? BlockKind::kSequential : BlockKind::kPostNorm;
  spec.output = "self_attn.out_proj";
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = 1e-5;
  spec.attention_norms = {"self_attn_layer_norm"};
  spec.ffn_norms = {"final_layer_norm"};
  spec.final_norm_required = pre_norm && !config.flag("_remove_final_layer_norm", false);
  spec.final_norms = {};
  if (spec.final_norm_required)
    spec.final_norms = {"model.decoder.final_layer_norm", "decoder.final_layer_norm", "final_layer_norm"};
  spec.activation = config.text("activation_function").value_or("relu");
  spec.project_in = {"model.decoder.project_in", "decoder.project_in", "project_in"};
  spec.project_out = {"model.decoder.project_out", "decoder.project_out", "project_out"};
  spec.rotary = false;
  spec.positions = {"model.decoder.embed_positions", "decoder.embed_positions", "embed_positions"};
  spec.position_offset = 2;
  return spec;
}

}  // namespace

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
  family.embeddings = {"model.decoder.embed_tokens.weight",
                       "model.decoder.embed_positions.weight",
                       "decoder.embed_tokens.weight",
                       "decoder.embed_positions.weight",
                       "embed_tokens.weight",
                       "embed_positions.weight"};
  family.transformer = opt_transformer;
  return family;
}

}  // namespace prunenet
