// Mistral: tensors as LLaMA, attention over a sliding window.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec mistral_transformer(const Config& config) {
  TransformerSpec spec = llama_transformer(config);
  // Absent means 4096, null none. A query sees exactly that many keys, itself included, as in llama.cpp and newer
  // transformers (transformers 4.41's eager attention let it see one more).
  constexpr std::string_view kWindow[] = {"sliding_window"};
  spec.window = config.has("sliding_window") ? config.find_size(kWindow).value_or(0) : 4096;
  return spec;
}

}  // namespace

FamilySpec mistral_family() {
  FamilySpec family = llama_family();
  family.name = "mistral";
  family.model_types = {"mistral"};
  family.architectures = {"MistralForCausalLM"};
  family.transformer = mistral_transformer;
  family.head_dim_since = "transformers 4.43";
  family.heads_divide_hidden = false;
  family.like_deci = false;
  return family;
}

}  // namespace prunenet
