// The metadata of a model, and the tensors of its rotary factors.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "convert/architecture.h"
#include "convert/rotary_scaling.h"

namespace prunenet {
namespace {

// One number where the layers agree, else a list.
GgufValue of_layers(const ModelDescription& model, int64_t LayerSizes::*size) {
  std::vector<uint32_t> values;
  for (size_t layer = 0; layer < model.layers.size(); ++layer)
    values.push_back(static_cast<uint32_t>(model.sizes(layer).*size));
  const bool alike = std::all_of(values.begin(), values.end(), [&](uint32_t value) { return value == values.front(); });
  return alike ? GgufValue::of_u32(values.front()) : GgufValue::of_u32s(values);
}

void put_rotary(GgufMetadata& metadata, const std::string& prefix, const TransformerDescription& transformer,
                const Config& config) {
  const auto key = [&](const char* name) { return prefix + "rope." + name; };
  metadata.set(key("dimension_count"), GgufValue::of_u32(static_cast<uint32_t>(rotated(transformer))));
  metadata.set(key("freq_base"), GgufValue::of_f32(static_cast<float>(rotary_theta(config))));
  const std::string kind = scaling_kind(config);
  const auto scaling = rotary_scaling(config);
  if (kind == "default" || kind == "llama3" || kind == "dynamic") return;  // llama3: a tensor of factors
  const auto original = [&] {
    const double stated = scaling->number(
        "original_max_position_embeddings",
        config.number("original_max_position_embeddings", static_cast<double>(transformer.max_context)));
    return GgufValue::of_u32(static_cast<uint32_t>(std::clamp(stated, 0.0, 4e9)));
  };
  if (kind == "linear" || kind == "yarn") {
    metadata.set(key("scaling.type"), GgufValue::of_text(kind));
    metadata.set(key("scaling.factor"), GgufValue::of_f32(static_cast<float>(scaling->number("factor", 1))));
    if (kind == "linear") return;
    metadata.set(key("scaling.original_context_length"), original());
    // llama.cpp multiplies this with what follows from the factor.
    const double usual = 0.1 * std::log(std::max(scaling->number("factor", 1), 1.0)) + 1;
    if (std::abs(transformer.rotary->attention_factor - usual) > 1e-6)
      metadata.set(key("scaling.attn_factor"),
                   GgufValue::of_f32(static_cast<float>(transformer.rotary->attention_factor / usual)));
    return;
  }
  if (kind == "longrope" || kind == "su") {
    metadata.set(key("scaling.type"), GgufValue::of_text("longrope"));
    metadata.set(key("scaling.original_context_length"), original());
    metadata.set(key("scaling.attn_factor"),
                 GgufValue::of_f32(static_cast<float>(transformer.rotary->attention_factor)));
    return;
  }
  fail(ErrorCode::kUnsupported, config.where(), "rotary scaling of type '{}' cannot be stated in GGUF", kind);
}

}  // namespace

GgufMetadata architecture_metadata(const GgufArchitecture& architecture, const ModelDescription& model,
                                   const TransformerDescription& transformer, const Config& config,
                                   const std::string& name) {
  GgufMetadata metadata;
  metadata.set("general.architecture", GgufValue::of_text(architecture.name));
  metadata.set("general.type", GgufValue::of_text("model"));
  if (!name.empty()) metadata.set("general.name", GgufValue::of_text(name));
  const std::string prefix = architecture.name + ".";
  const auto number = [&](const char* key, int64_t value) {
    metadata.set(prefix + key, GgufValue::of_u32(static_cast<uint32_t>(value)));
  };
  const LayerDescription& first = model.layers.front();
  number("block_count", static_cast<int64_t>(model.layers.size()));
  number("context_length", transformer.max_context > 0 ? transformer.max_context : 2048);
  number("embedding_length", model.hidden);
  metadata.set(prefix + "feed_forward_length", of_layers(model, &LayerSizes::width));
  metadata.set(prefix + "attention.head_count", of_layers(model, &LayerSizes::heads));
  metadata.set(prefix + "attention.head_count_kv", of_layers(model, &LayerSizes::kv_heads));
  const bool plain = first.heads * first.head_dim == model.hidden && architecture.name != "gemma";
  if (!plain || architecture.name == "deci") {  // llama.cpp takes hidden / heads of layer 0 otherwise
    number("attention.key_length", first.head_dim);
    number("attention.value_length", first.head_dim);
  }
  metadata.set(prefix + (transformer.norm == NormKind::kRmsNorm ? "attention.layer_norm_rms_epsilon"
                                                                : "attention.layer_norm_epsilon"),
               GgufValue::of_f32(static_cast<float>(transformer.norm_epsilon)));
  if (transformer.rotary) put_rotary(metadata, prefix, transformer, config);
  number("vocab_size", transformer.vocab);
  // llama.cpp does not read it of 'llama'; whoever converts back does.
  const int64_t window = transformer.blocks.front().attention.window;
  if (window > 0 && model.family == "mistral") number("attention.sliding_window", window);
  if (architecture.name == "falcon") metadata.set("falcon.tensor_data_layout", GgufValue::of_text("jploski"));
  if (architecture.name == "gptneox")
    metadata.set("gptneox.use_parallel_residual", GgufValue::of_bool(transformer.block == BlockKind::kParallel));
  if (architecture.name == "phi3") {
    number("attention.sliding_window", window);
    if (!metadata.has("phi3.rope.scaling.original_context_length"))
      number("rope.scaling.original_context_length",
             static_cast<int64_t>(
                 config.number("original_max_position_embeddings", static_cast<double>(transformer.max_context))));
  }
  return metadata;
}

std::vector<RotaryFactors> rotary_factors(const TransformerDescription& transformer, const Config& config) {
  std::vector<RotaryFactors> all;
  if (!transformer.rotary) return all;
  const std::string kind = scaling_kind(config);
  const double theta = rotary_theta(config);
  const auto count = static_cast<double>(rotated(transformer));
  const auto factors = [&](const std::vector<double>& frequencies) {
    std::vector<float> values;
    for (size_t i = 0; i < frequencies.size(); ++i)
      values.push_back(static_cast<float>(std::pow(theta, -2 * static_cast<double>(i) / count) / frequencies[i]));
    return values;
  };
  if (kind == "llama3") all.push_back({"rope_freqs.weight", factors(transformer.rotary->inv_freq)});
  if (kind == "longrope" || kind == "su") {
    all.push_back({"rope_factors_long.weight", factors(transformer.rotary->long_inv_freq)});
    all.push_back({"rope_factors_short.weight", factors(transformer.rotary->inv_freq)});
  }
  return all;
}

}  // namespace prunenet
