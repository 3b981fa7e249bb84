// Keys that state sizes, and the architecture whose layers have sizes of their own.
#include "slice/metadata.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/error.h"
#include "checkpoint/gguf_types.h"

namespace prunenet {
namespace {

constexpr std::string_view kArchitectureKey = "general.architecture";
constexpr std::string_view kDeci = "deci";

// Lists that have an entry for every layer, by their names under the architecture.
constexpr std::array<std::string_view, 4> kLayerLists{"feed_forward_length", "attention.head_count",
                                                      "attention.head_count_kv", "attention.sliding_window_pattern"};

using Sizes = std::vector<int64_t>;

bool all_equal(const Sizes& sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == sizes.front(); });
}

Sizes take(const std::vector<LayerSizes>& layers, int64_t LayerSizes::*size) {
  Sizes sizes;
  for (const LayerSizes& layer : layers) sizes.push_back(layer.*size);
  return sizes;
}

class Editor {
 public:
  Editor(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask)
      : metadata_(checkpoint.gguf()->metadata()), where_(checkpoint.folder().string()) {
    for (size_t layer = 0; layer < model.layers.size(); ++layer) {
      if (!mask.drops(static_cast<int64_t>(layer))) kept_.push_back(layer);
    }
    source_layers_ = model.layers.size();
    architecture_ = metadata_.text(kArchitectureKey, where_).value_or("");
  }

  const std::string& architecture() const { return architecture_; }
  const std::string& where() const { return where_; }
  const std::vector<size_t>& kept() const { return kept_; }
  GgufMetadata take() { return std::move(metadata_); }

  bool has(std::string_view name) const { return metadata_.has(key(name)); }
  void set(std::string_view name, int64_t value) {
    metadata_.set(key(name), GgufValue::of_u32(static_cast<uint32_t>(value)));
  }

  // What is stated of the layers that stay; nothing where the key is absent.
  std::optional<Sizes> stated(std::string_view name) const {
    const GgufValue* value = metadata_.find(key(name));
    if (value == nullptr) return std::nullopt;
    if (value->type != GgufType::kArray) return Sizes(kept_.size(), *metadata_.integer(key(name), where_));
    const Sizes all = *metadata_.integers(key(name), where_);
    if (all.size() != source_layers_) {
      fail(ErrorCode::kMismatch, where_, "key '{}' has {} entries, and the model {} layers", key(name), all.size(),
           source_layers_);
    }
    Sizes left;
    for (size_t layer : kept_) left.push_back(all[layer]);
    return left;
  }

  // One number where it states all layers, else a list. The bytes stay where nothing changes.
  void state(std::string_view name, const Sizes& sizes) {
    if (stated(name) == sizes) return;
    if (all_equal(sizes)) {
      set(name, sizes.front());
    } else {
      metadata_.set(key(name), GgufValue::of_i32s({sizes.begin(), sizes.end()}));
    }
  }

  void drop_layers() {
    if (kept_.size() == source_layers_) return;
    set("block_count", static_cast<int64_t>(kept_.size()));
    for (std::string_view name : kLayerLists) {
      const GgufValue* value = metadata_.find(key(name));
      if (value == nullptr || value->type != GgufType::kArray || value->length() != source_layers_) continue;
      const size_t size = gguf_type_size_bytes(value->element);
      if (size == 0) continue;
      GgufValue left = *value;
      left.packed.clear();
      for (size_t layer : kept_) left.packed += value->packed.substr(layer * size, size);
      metadata_.set(key(name), std::move(left));
    }
    source_layers_ = kept_.size();
    for (size_t i = 0; i < kept_.size(); ++i) kept_[i] = i;
  }

  // The keys of the architecture with its name.
  void become_deci() {
    const std::string prefix = architecture_ + ".";
    std::vector<std::string> keys;
    for (const GgufMetadata::Item& item : metadata_.items()) {
      if (item.key.starts_with(prefix)) keys.push_back(item.key);
    }
    for (const std::string& old : keys) {
      const std::string renamed = fmt::format("{}.{}", kDeci, old.substr(prefix.size()));
      if (metadata_.has(renamed)) fail(ErrorCode::kFormat, where_, "has both '{}' and '{}'", old, renamed);
      metadata_.rename(old, renamed);
    }
    architecture_ = kDeci;
    metadata_.set(kArchitectureKey, GgufValue::of_text(architecture_));
  }

  GgufMetadata& metadata() { return metadata_; }

 private:
  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }

  GgufMetadata metadata_;
  std::string where_, architecture_;
  std::vector<size_t> kept_;
  size_t source_layers_ = 0;
};

// "7.2B", "260K": two digits or more, as gguf-py writes it.
std::string size_label(int64_t params) {
  const auto count = static_cast<double>(params);
  const auto [scaled, unit] = count > 1e12  ? std::pair(count / 1e12, 'T')
                              : count > 1e9 ? std::pair(count / 1e9, 'B')
                              : count > 1e6 ? std::pair(count / 1e6, 'M')
                                            : std::pair(count / 1e3, 'K');
  return fmt::format("{:.{}f}{}", scaled, scaled < 0.5 ? 2 : scaled < 9.5 ? 1 : 0, unit);
}

void state_totals(GgufMetadata& metadata, const Checkpoint& checkpoint, const std::vector<TensorSpec>& tensors) {
  std::vector<TensorSpec> before;
  for (const auto& entry : checkpoint.tensors()) before.push_back(entry.stored.spec);
  const auto was = gguf_main_dtype(before), is = gguf_main_dtype(tensors);
  // Where most is what it was, the source knows better: Q4_K_S and Q4_K_M are both mostly Q4_K.
  if (is && is != was && gguf_file_type(*is) && metadata.has("general.file_type"))
    metadata.set("general.file_type", GgufValue::of_u32(*gguf_file_type(*is)));
  int64_t params_before = 0, params = 0;
  for (const TensorSpec& tensor : before) params_before += tensor.num_elements();
  for (const TensorSpec& tensor : tensors) params += tensor.num_elements();
  if (params == params_before) return;
  if (metadata.has("general.parameter_count"))
    metadata.set("general.parameter_count", GgufValue::of_u64(static_cast<uint64_t>(params)));
  if (metadata.has("general.size_label")) metadata.set("general.size_label", GgufValue::of_text(size_label(params)));
}

// The first layer that differs from the first of all, for messages.
std::string difference(const Editor& editor, const Sizes& sizes, std::string_view unit) {
  size_t other = 0;
  while (sizes[other] == sizes.front()) ++other;
  return fmt::format("layer {} keeps {} {} and layer {} keeps {}", editor.kept().front(), sizes.front(), unit,
                     editor.kept()[other], sizes[other]);
}

}  // namespace

SlicedMetadata slice_metadata(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                              const std::vector<LayerSizes>& layers, SliceLayout layout,
                              const std::vector<TensorSpec>& tensors) {
  Editor editor(checkpoint, model, mask);
  const Sizes widths = take(layers, &LayerSizes::width), heads = take(layers, &LayerSizes::heads),
              kv_heads = take(layers, &LayerSizes::kv_heads);
  const bool differ = !all_equal(widths) || !all_equal(heads) || !all_equal(kv_heads);
  const std::string& refused = model.keys.deci_refused;
  if (differ && !refused.empty()) {
    fail(ErrorCode::kUnsupported, editor.where(),
         "{}, which llama.cpp reads only of the architecture '{}', and {}: choose the same for all layers, or fill up "
         "with zero neurons (--pad)",
         all_equal(widths) ? difference(editor, all_equal(heads) ? kv_heads : heads, "heads")
                           : difference(editor, widths, "neurons"),
         kDeci, refused);
  }
  if (layout == SliceLayout::kDeci && !refused.empty())
    fail(ErrorCode::kUnsupported, editor.where(), "cannot be written as '{}': {}", kDeci, refused);

  SlicedMetadata result;
  const Sizes heads_stated = editor.stated("attention.head_count").value_or(Sizes(layers.size(), 0));
  const bool heads_change =
      heads != heads_stated || kv_heads != editor.stated("attention.head_count_kv").value_or(heads_stated);
  const bool becomes_deci = (differ || layout == SliceLayout::kDeci) && editor.architecture() != kDeci;
  if (becomes_deci) {
    result.notes.push_back(
        fmt::format("{}: the file goes under the architecture '{}', of which llama.cpp reads the sizes of every layer",
                    differ ? "the layers have sizes of their own" : "as was asked", kDeci));
    editor.become_deci();
  }
  editor.drop_layers();
  editor.state("feed_forward_length", widths);
  if (heads_change) {
    editor.state("attention.head_count", heads);
    editor.state("attention.head_count_kv", kv_heads);
  }
  if (heads_change || !all_equal(heads)) {
    // Without these, a program divides the hidden size by the heads.
    for (const char* name : {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
      if (!editor.has(name)) editor.set(name, model.layers.front().head_dim);
    }
  }
  state_totals(editor.metadata(), checkpoint, tensors);
  result.metadata = editor.take();
  return result;
}

}  // namespace prunenet
