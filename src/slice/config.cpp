// Rewriting config.json: numbers of layers, widths, heads, lists with an entry for each layer, and the DeciLM layout.
#include "slice/config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/config_text.h"
#include "model/deci.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

// Lists of config.json that have an entry for every layer.
constexpr std::array<std::string_view, 5> kLayerLists{"layer_types", "no_rope_layers", "mlp_layer_types", "block_configs",
                                                      "num_key_value_heads_per_layer"};

class ConfigEditor {
 public:
  ConfigEditor(std::string text, std::string where)
      : text_(std::move(text)), where_(std::move(where)), source_(Json::parse(text_, nullptr, false)) {}

  void set(const std::string& key, const Json& value) {
    text_ = with_top_level_value(text_, key, value.dump(-1, ' ', false, Json::error_handler_t::replace), where_);
  }
  /// The value under `key` in the source's config; nothing where it is absent.
  const Json* find(std::string_view key) const {
    const auto found = source_.find(key);
    return found == source_.end() ? nullptr : &*found;
  }
  const std::string& text() const { return text_; }
  const std::string& where() const { return where_; }

 private:
  std::string text_, where_;
  Json source_;
};

bool all_equal(const std::vector<LayerSizes>& layers, int64_t LayerSizes::* size) {
  return std::all_of(layers.begin(), layers.end(), [&](const LayerSizes& l) { return l.*size == layers.front().*size; });
}

std::vector<size_t> kept_layers(const ModelDescription& model, const Mask& mask) {
  std::vector<size_t> kept;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    if (!mask.drops(static_cast<int64_t>(layer))) kept.push_back(layer);
  }
  return kept;
}

void drop_layers(ConfigEditor& config, const ModelDescription& model, const std::vector<size_t>& kept) {
  for (const std::string& key : model.keys.layers) config.set(key, kept.size());
  for (std::string_view key : kLayerLists) {
    const Json* list = config.find(key);
    if (list == nullptr || !list->is_array() || list->size() != model.layers.size()) continue;
    Json left = Json::array();
    for (size_t layer : kept) left.push_back((*list)[layer]);
    config.set(std::string(key), left);
  }
  // Layers from this one on see a window: as many before it stay.
  const Json* window = config.find("max_window_layers");
  if (window == nullptr || !window->is_number_integer()) return;
  const int64_t before = window->get<int64_t>();
  config.set("max_window_layers", std::count_if(kept.begin(), kept.end(), [&](size_t layer) {
               return static_cast<int64_t>(layer) < before;
             }));
}

// The heads of all layers; false where one number does not state them. A config that says nothing wrong stays.
bool state_heads(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers) {
  if (!all_equal(layers, &LayerSizes::heads) || !all_equal(layers, &LayerSizes::kv_heads)) return false;
  const LayerSizes &now = layers.front(), &stated = model.config_layers.front();
  if (now.heads == stated.heads && now.kv_heads == stated.kv_heads) return true;
  if (model.keys.heads.empty()) return false;  // they were another number before
  config.set(model.keys.heads, now.heads);
  config.set(model.keys.kv_heads, now.kv_heads);
  config.set(model.keys.head_dim, model.layers.front().head_dim);
  return true;
}

bool state_width(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers) {
  if (!all_equal(layers, &LayerSizes::width)) return false;
  if (layers.front().width != model.config_width) config.set(model.width_key, layers.front().width);
  return true;
}

void require_deci_can_state(const ModelDescription& model, const std::vector<LayerSizes>& layers,
                            const std::vector<size_t>& kept, const std::string& where) {
  if (!model.keys.deci_refused.empty())
    fail(ErrorCode::kUnsupported, where, "the DeciLM layout cannot hold this model: {}", model.keys.deci_refused);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].width % kDeciWidthMultiple != 0) {
      fail(ErrorCode::kBadOption, where,
           "layer {} keeps {} neurons, and the DeciLM layout, in which layers have widths of their own, states only "
           "multiples of {}: choose widths so (--width-multiple {}), or fill up with zero neurons to one width (--pad)",
           kept[i], layers[i].width, kDeciWidthMultiple, kDeciWidthMultiple);
    }
    if (layers[i].heads != layers.front().heads) {
      fail(ErrorCode::kUnsupported, where,
           "layer {} keeps {} query heads and layer {} keeps {}: the DeciLM layout states one number for all layers",
           kept.front(), layers.front().heads, kept[i], layers[i].heads);
    }
  }
}

// What Nemotron-NAS writes of an ordinary LLaMA block.
Json ordinary_block() {
  return {{"attention",
           {{"n_heads_in_group", 1},
            {"no_op", false},
            {"num_sink_tokens", nullptr},
            {"replace_with_linear", false},
            {"sparsify", nullptr},
            {"unshifted_sink", false},
            {"use_prefill_window_in_sink_attention", false},
            {"window_length", nullptr}}},
          {"ffn", {{"ffn_mult", 0.0}, {"no_op", false}, {"replace_with_linear", false}, {"sparsify", nullptr}}}};
}

void state_blocks(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers,
                  const std::vector<size_t>& kept) {
  Json blocks = Json::array();
  for (size_t i = 0; i < layers.size(); ++i) {
    Json block = model.keys.per_layer ? (*config.find("block_configs"))[kept[i]] : ordinary_block();
    block["attention"]["n_heads_in_group"] = layers[i].heads / layers[i].kv_heads;
    if (block["ffn"].contains("ffn_mult")) block["ffn"]["ffn_mult"] = deci_ffn_mult(layers[i].width, model.hidden);
    if (block["ffn"].contains("intermediate_size")) block["ffn"]["intermediate_size"] = layers[i].width;
    blocks.push_back(std::move(block));
  }
  config.set("block_configs", blocks);
  if (layers.front().heads != model.config_layers.front().heads) {
    config.set("num_attention_heads", layers.front().heads);
    config.set("head_dim", model.layers.front().head_dim);
  }
}

// A LLaMA becomes a DeciLM, as the configs of nvidia/Llama-3_1-Nemotron-51B-Instruct and its kind spell it.
void become_deci(ConfigEditor& config) {
  config.set("model_type", "nemotron-nas");
  config.set("architectures", Json::array({"DeciLMForCausalLM"}));
  config.set("auto_map", {{"AutoConfig", "configuration_decilm.DeciLMConfig"}});
  // Each layer states its own.
  config.set("intermediate_size", nullptr);
  config.set("num_key_value_heads", nullptr);
}

}  // namespace

SlicedConfig slice_config(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                          const std::vector<LayerSizes>& layers, SliceLayout layout) {
  ConfigEditor config(checkpoint.config_text(), (checkpoint.folder() / "config.json").string());
  const std::vector<size_t> kept = kept_layers(model, mask);
  if (kept.size() != model.layers.size()) drop_layers(config, model, kept);
  const bool deci = layout == SliceLayout::kDeci;
  if (!deci && !model.keys.per_layer) {
    const bool widths = state_width(config, model, layers), heads = state_heads(config, model, layers);
    return {config.text(), widths && heads};
  }
  require_deci_can_state(model, layers, kept, config.where());
  bool changed = !model.keys.per_layer;
  for (size_t i = 0; i < kept.size() && !changed; ++i) changed = layers[i] != model.config_layers[kept[i]];
  if (changed) state_blocks(config, model, layers, kept);
  if (!model.keys.per_layer) become_deci(config);
  return {config.text(), true};
}

}  // namespace prunenet
