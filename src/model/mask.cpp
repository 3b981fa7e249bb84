// Mask files.
#include "model/mask.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;
constexpr uint64_t kMaxMaskBytes = 256u << 20;

Json parse_mask_json(const std::string& text, const std::string& where) {
  const auto bound_depth = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > 8 && (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
      fail(ErrorCode::kFormat, where, "nested deeper than any mask");
    }
    return true;
  };
  try {
    return Json::parse(text, bound_depth);
  } catch (const Json::exception& error) {
    fail(ErrorCode::kFormat, where, "is no JSON: {}", error.what());
  }
}

std::vector<int64_t> up_to(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// One layer's list of rows or of KV groups.
void require_list_fits(const std::vector<int64_t>& kept, int64_t width, size_t layer, std::string_view unit,
                       const std::string& where) {
  if (kept.empty()) fail(ErrorCode::kMismatch, where, "layer {} keeps no {}; at least one must stay", layer, unit);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] < 0 || kept[i] >= width) {
      fail(ErrorCode::kMismatch, where, "layer {} keeps {} {}, its {}s are 0 to {}", layer, unit, kept[i], unit,
           width - 1);
    }
    if (i == 0) continue;
    if (kept[i - 1] == kept[i]) fail(ErrorCode::kMismatch, where, "layer {} keeps {} {} twice", layer, unit, kept[i]);
    if (kept[i - 1] > kept[i]) fail(ErrorCode::kMismatch, where, "layer {}: kept {}s are not ascending", layer, unit);
  }
}

void require_dropped_fit(const Mask& mask, const ModelDescription& model, const std::string& where) {
  const auto& dropped = mask.dropped_layers;
  const auto layers = static_cast<int64_t>(model.layers.size());
  for (size_t i = 0; i < dropped.size(); ++i) {
    if (dropped[i] < 0 || dropped[i] >= layers)
      fail(ErrorCode::kMismatch, where, "drops layer {}, the model has layers 0 to {}", dropped[i], layers - 1);
    if (i == 0) continue;
    if (dropped[i - 1] == dropped[i]) fail(ErrorCode::kMismatch, where, "drops layer {} twice", dropped[i]);
    if (dropped[i - 1] > dropped[i]) fail(ErrorCode::kMismatch, where, "dropped layers are not ascending");
  }
  if (static_cast<int64_t>(dropped.size()) == layers)
    fail(ErrorCode::kMismatch, where, "drops all {} layers; at least one must stay", layers);
  if (!dropped.empty() && !model.keys.layers_fixed.empty())
    fail(ErrorCode::kUnsupported, where, "no layer of this '{}' can be dropped: {}", model.family,
         model.keys.layers_fixed);
}

// The whole numbers of a list of a mask file, ascending.
std::vector<int64_t> read_numbers(const Json& list, const std::string& what, const std::string& where) {
  if (!list.is_array()) fail(ErrorCode::kFormat, where, "{} is no list", what);
  std::vector<int64_t> numbers;
  for (const Json& number : list) {
    if (!number.is_number_integer())
      fail(ErrorCode::kFormat, where, "{} holds {}, not a whole number", what,
           number.dump(-1, ' ', false, Json::error_handler_t::replace));
    numbers.push_back(number.get<int64_t>());
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// "kept_rows" is what prunenet.json calls the list, so that it can be used as a mask.
const char* rows_key(const Json& entry) {
  return entry.contains("kept_rows") ? "kept_rows" : "keep";
}

}  // namespace

std::vector<int64_t> Mask::kept_widths() const {
  std::vector<int64_t> widths;
  for (const auto& rows : kept) widths.push_back(static_cast<int64_t>(rows.size()));
  return widths;
}

bool Mask::drops(int64_t layer) const {
  return std::binary_search(dropped_layers.begin(), dropped_layers.end(), layer);
}

bool Mask::cuts_heads(const ModelDescription& model) const {
  for (size_t layer = 0; layer < kept_kv_groups.size() && layer < model.layers.size(); ++layer) {
    const int64_t width = model.layers[layer].attention.kv_groups.width;
    if (!drops(static_cast<int64_t>(layer)) && static_cast<int64_t>(kept_kv_groups[layer].size()) != width) return true;
  }
  return false;
}

Mask whole_mask(const ModelDescription& model) {
  Mask mask;
  for (const LayerDescription& layer : model.layers) mask.kept.push_back(up_to(layer.ffn.neurons.width));
  return mask;
}

void require_mask_fits(const Mask& mask, const ModelDescription& model, const std::string& where) {
  const size_t layers = model.layers.size();
  if (mask.kept.size() != layers) {
    fail(ErrorCode::kMismatch, where, "has {} layers, the model {}", mask.kept.size(), layers);
  }
  if (!mask.kept_kv_groups.empty() && mask.kept_kv_groups.size() != layers) {
    fail(ErrorCode::kMismatch, where, "has KV groups of {} layers, the model {}", mask.kept_kv_groups.size(), layers);
  }
  require_dropped_fit(mask, model, where);
  if (mask.cuts_heads(model) && !model.keys.heads_fixed.empty())
    fail(ErrorCode::kUnsupported, where, "the heads of this '{}' cannot be cut: {}", model.family,
         model.keys.heads_fixed);
  for (size_t layer = 0; layer < layers; ++layer) {
    if (mask.drops(static_cast<int64_t>(layer))) continue;
    const LayerDescription& dims = model.layers[layer];
    require_list_fits(mask.kept[layer], dims.ffn.neurons.width, layer, "row", where);
    if (!mask.kept_kv_groups.empty())
      require_list_fits(mask.kept_kv_groups[layer], dims.attention.kv_groups.width, layer, "KV group", where);
  }
}

namespace {

// A pruned GGUF file holds its prunenet.json as a key.
std::string mask_text(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || !is_gguf_file(path)) return read_text_file(path, kMaxMaskBytes);
  const auto text = GgufFile(path).metadata().text("prunenet.json", path.string());
  if (!text)
    fail(ErrorCode::kFormat, path.string(),
         "is a GGUF file that prunenet did not prune: it has no key 'prunenet.json'");
  return *text;
}

}  // namespace

Mask read_mask(const std::filesystem::path& path, const ModelDescription& model) {
  const std::string where = path.string();
  const Json json = parse_mask_json(mask_text(path), where);
  if (!json.is_object() || !json.contains("layers") || !json["layers"].is_array()) {
    fail(ErrorCode::kFormat, where,
         R"(is no mask: {{"layers": [{{"index": 0, "keep": [0, 2, ...]}}, ...]}} is expected)");
  }
  Mask mask = whole_mask(model);
  if (json.contains("dropped_layers"))
    mask.dropped_layers = read_numbers(json["dropped_layers"], "'dropped_layers'", where);
  std::vector<bool> seen(mask.kept.size());
  for (const Json& entry : json["layers"]) {
    const bool lists = entry.is_object() && (entry.contains(rows_key(entry)) || entry.contains("kept_kv_groups"));
    if (!lists || !entry.contains("index") || !entry["index"].is_number_integer()) {
      fail(ErrorCode::kFormat, where, "an entry of 'layers' lacks a whole 'index' or a list 'keep'");
    }
    const int64_t index = entry["index"].get<int64_t>();
    if (index < 0 || index >= static_cast<int64_t>(mask.kept.size())) {
      fail(ErrorCode::kMismatch, where, "names layer {}, the model has layers 0 to {}", index, mask.kept.size() - 1);
    }
    const auto layer = static_cast<size_t>(index);
    if (seen[layer]) fail(ErrorCode::kFormat, where, "names layer {} twice", index);
    seen[layer] = true;
    const auto numbers = [&](const char* key) {
      return read_numbers(entry[key], fmt::format("layer {}: '{}'", index, key), where);
    };
    if (entry.contains(rows_key(entry))) mask.kept[layer] = numbers(rows_key(entry));
    if (!entry.contains("kept_kv_groups")) continue;
    if (mask.kept_kv_groups.empty()) {
      for (const LayerDescription& dims : model.layers)
        mask.kept_kv_groups.push_back(up_to(dims.attention.kv_groups.width));
    }
    mask.kept_kv_groups[layer] = numbers("kept_kv_groups");
  }
  require_mask_fits(mask, model, where);
  return mask;
}

std::string format_mask(const Mask& mask) {
  std::string text = "{";
  if (!mask.dropped_layers.empty())
    text += fmt::format("\"dropped_layers\": [{}],\n ", fmt::join(mask.dropped_layers, ", "));
  text += "\"layers\": [\n";
  bool first = true;
  for (size_t layer = 0; layer < mask.kept.size(); ++layer) {
    if (mask.kept[layer].empty() && mask.drops(static_cast<int64_t>(layer))) continue;  // nothing to say of it
    text += fmt::format("{}  {{\"index\": {}, \"keep\": [{}]", first ? "" : ",\n", layer,
                        fmt::join(mask.kept[layer], ", "));
    if (!mask.kept_kv_groups.empty())
      text += fmt::format(", \"kept_kv_groups\": [{}]", fmt::join(mask.kept_kv_groups[layer], ", "));
    text += "}";
    first = false;
  }
  return text + "\n]}\n";
}

}  // namespace prunenet
