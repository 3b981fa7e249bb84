// Qwen2 and Qwen2.5: tensors as LLaMA, with biases on query, key and value.
#include "model/family.h"

namespace prunenet {

namespace {

TransformerSpec qwen2_transformer(const Config& config) {
  TransformerSpec spec = llama_transformer(config);
  if (config.flag("use_sliding_window", false)) {
    constexpr std::string_view kWindow[] = {"sliding_window"};
    spec.window = config.find_size(kWindow).value_or(config.has("sliding_window") ? 0 : 4096);
    spec.window_from_layer = static_cast<int64_t>(config.number("max_window_layers", 28));
  }
  return spec;
}

}  // namespace

FamilySpec qwen2_family() {
  FamilySpec family = llama_family();
  family.name = "qwen2";
  family.model_types = {"qwen2"};
  family.architectures = {"Qwen2ForCausalLM"};
  family.transformer = qwen2_transformer;
  family.head_dim_since = "transformers 4.48";
  family.heads_divide_hidden = false;
  family.like_deci = false;
  return family;
}

}  // namespace prunenet
