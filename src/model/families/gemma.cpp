// Gemma (the first): tensors as LLaMA, head_dim stated apart, the head always tied to the embedding.
#include <cmath>

#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec gemma_transformer(const Config& config) {
  constexpr std::string_view kHidden[] = {"hidden_size"};
  TransformerSpec spec = llama_transformer(config);
  spec.norm_gain_offset = 1;
  spec.embedding_scale = std::sqrt(static_cast<double>(config.size(kHidden)));
  // The first checkpoints say "gelu" and mean the tanh form, which later ones name in hidden_activation.
  spec.activation = config.text("hidden_activation").value_or("gelu_pytorch_tanh");
  return spec;
}

}  // namespace

FamilySpec gemma_family() {
  FamilySpec family = llama_family();
  family.name = "gemma";
  family.model_types = {"gemma"};
  family.architectures = {"GemmaForCausalLM"};
  family.transformer = gemma_transformer;
  family.head_dim_since = "transformers 4.38";
  family.heads_divide_hidden = false;
  family.like_deci = false;
  return family;
}

}  // namespace prunenet
