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

}  // namespace

std::vector<int64_t> Mask::kept_widths() const {
  std::vector<int64_t> widths;
  for (const auto& rows : kept) widths.push_back(static_cast<int64_t>(rows.size()));
  return widths;
}

void require_mask_fits(const Mask& mask, const ModelDescription& model, const std::string& where) {
  if (mask.kept.size() != model.layers.size()) {
    fail(ErrorCode::kMismatch, where, "has {} layers, the model {}", mask.kept.size(), model.layers.size());
  }
  for (size_t layer = 0; layer < mask.kept.size(); ++layer) {
    const auto& rows = mask.kept[layer];
    const int64_t width = model.layers[layer].ffn.neurons.width;
    if (rows.empty()) fail(ErrorCode::kMismatch, where, "layer {} keeps no row; at least one must stay", layer);
    if (rows.front() < 0 || rows.back() >= width) {
      fail(ErrorCode::kMismatch, where, "layer {} keeps row {}, its rows are 0 to {}", layer,
           rows.front() < 0 ? rows.front() : rows.back(), width - 1);
    }
    for (size_t i = 1; i < rows.size(); ++i) {
      if (rows[i - 1] == rows[i]) fail(ErrorCode::kMismatch, where, "layer {} keeps row {} twice", layer, rows[i]);
      if (rows[i - 1] > rows[i]) fail(ErrorCode::kMismatch, where, "layer {}: kept rows are not ascending", layer);
    }
  }
}

Mask read_mask(const std::filesystem::path& path, const ModelDescription& model) {
  const std::string where = path.string();
  const Json json = parse_mask_json(read_text_file(path, kMaxMaskBytes), where);
  if (!json.is_object() || !json.contains("layers") || !json["layers"].is_array()) {
    fail(ErrorCode::kFormat, where, R"(is no mask: {{"layers": [{{"index": 0, "keep": [0, 2, ...]}}, ...]}} is expected)");
  }
  Mask mask;
  for (const LayerDescription& layer : model.layers) {
    mask.kept.emplace_back(static_cast<size_t>(layer.ffn.neurons.width));
    std::iota(mask.kept.back().begin(), mask.kept.back().end(), 0);
  }
  std::vector<bool> seen(mask.kept.size());
  for (const Json& entry : json["layers"]) {
    // "kept_rows" is what prunenet.json calls the list, so that it can be used as a mask.
    const char* list = entry.is_object() && entry.contains("kept_rows") ? "kept_rows" : "keep";
    if (!entry.is_object() || !entry.contains("index") || !entry["index"].is_number_integer() || !entry.contains(list) ||
        !entry[list].is_array()) {
      fail(ErrorCode::kFormat, where, "an entry of 'layers' lacks a whole 'index' or a list 'keep'");
    }
    const int64_t index = entry["index"].get<int64_t>();
    if (index < 0 || index >= static_cast<int64_t>(mask.kept.size())) {
      fail(ErrorCode::kMismatch, where, "names layer {}, the model has layers 0 to {}", index, mask.kept.size() - 1);
    }
    if (seen[static_cast<size_t>(index)]) fail(ErrorCode::kFormat, where, "names layer {} twice", index);
    seen[static_cast<size_t>(index)] = true;
    auto& rows = mask.kept[static_cast<size_t>(index)];
    rows.clear();
    for (const Json& row : entry[list]) {
      if (!row.is_number_integer()) fail(ErrorCode::kFormat, where, "layer {}: 'keep' holds {}, not a row", index, row.dump());
      rows.push_back(row.get<int64_t>());
    }
    std::sort(rows.begin(), rows.end());
  }
  require_mask_fits(mask, model, where);
  return mask;
}

std::string format_mask(const Mask& mask) {
  std::string text = "{\"layers\": [\n";
  for (size_t layer = 0; layer < mask.kept.size(); ++layer) {
    text += fmt::format("  {{\"index\": {}, \"keep\": [{}]}}{}\n", layer, fmt::join(mask.kept[layer], ", "),
                        layer + 1 < mask.kept.size() ? "," : "");
  }
  return text + "]}\n";
}

}  // namespace prunenet
