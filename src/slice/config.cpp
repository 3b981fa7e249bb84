// Rewriting config.json: numbers of layers, widths, heads, and lists with an entry for each layer.
#include "slice/config.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "slice/config_editor.h"
#include "slice/deci.h"

namespace prunenet {
namespace {

using Json = ConfigEditor::Json;

// Lists of config.json that have an entry for every layer.
constexpr std::array<std::string_view, 5> kLayerLists{"layer_types", "no_rope_layers", "mlp_layer_types",
                                                      "block_configs", "num_key_value_heads_per_layer"};

bool all_equal(const std::vector<LayerSizes>& layers, int64_t LayerSizes::*size) {
  return std::all_of(layers.begin(), layers.end(),
                     [&](const LayerSizes& l) { return l.*size == layers.front().*size; });
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
  // The layers from this one on see a window: of those before it, as many as stay.
  const Json* window = config.find("max_window_layers");
  if (window == nullptr || !window->is_number_integer()) return;
  const auto full = window->get<int64_t>();
  config.set("max_window_layers",
             std::count_if(kept.begin(), kept.end(), [&](size_t layer) { return static_cast<int64_t>(layer) < full; }));
}

// False where one number does not state the heads of all layers: then nothing is written.
bool state_heads(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers) {
  if (!all_equal(layers, &LayerSizes::heads) || !all_equal(layers, &LayerSizes::kv_heads)) return false;
  const LayerSizes &now = layers.front(), &stated = model.config_layers.front();
  if (now.heads == stated.heads && now.kv_heads == stated.kv_heads) return true;
  if (model.keys.heads.empty()) return false;  // the source already had other heads than it says
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

void note_heads(const ModelDescription& model, const std::vector<LayerSizes>& layers, std::vector<std::string>& notes) {
  const int64_t heads = layers.front().heads;
  if (heads == model.config_layers.front().heads) return;
  notes.push_back(fmt::format("config.json states head_dim, which is read since {}", model.keys.heads_since));
  if (model.keys.heads_divide_hidden && model.hidden % heads != 0) {
    notes.push_back(
        fmt::format("transformers 5 refuses a '{}' whose hidden size ({}) is no multiple of its query heads ({}), "
                    "although it reads head_dim",
                    model.family, model.hidden, heads));
  }
}

}  // namespace

SlicedConfig slice_config(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                          const std::vector<LayerSizes>& layers, SliceLayout layout) {
  ConfigEditor config(checkpoint.config_text(), (checkpoint.folder() / "config.json").string());
  const std::vector<size_t> kept = kept_layers(model, mask);
  if (kept.size() != model.layers.size()) drop_layers(config, model, kept);
  SlicedConfig result;
  if (layout != SliceLayout::kDeci && !model.keys.per_layer) {
    const bool widths = state_width(config, model, layers), heads = state_heads(config, model, layers);
    result.uniform = widths && heads;
    if (heads) note_heads(model, layers, result.notes);
    result.text = config.text();
    return result;
  }
  require_deci_can_state(model, layers, kept, config.where());
  bool changed = !model.keys.per_layer;
  for (size_t i = 0; i < kept.size() && !changed; ++i) changed = layers[i] != model.config_layers[kept[i]];
  if (changed) state_deci_blocks(config, model, layers, kept);
  if (!model.keys.per_layer) {
    become_deci(config);
    result.extra_files[kDeciConfigFile] = deci_config_class();
  }
  result.notes.push_back(
      "the DeciLM layout loads in vLLM, SGLang and TensorRT-LLM (with their trust-remote-code switch), and "
      "not as a stock model of transformers");
  if (layers.front().heads != model.config_layers.front().heads) {
    result.notes.push_back(
        "a head size apart from hidden / heads is read of a DeciLM by vLLM and SGLang; TensorRT-LLM may not load it");
  }
  result.text = config.text();
  return result;
}

}  // namespace prunenet
