// Planning a cut: new names and shapes, kept indices, bytes that take the place of others.
#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "model/deci.h"
#include "model/encode.h"
#include "slice/config.h"
#include "slice/metadata.h"
#include "slice/retyped.h"
#include "slice/slice.h"

namespace prunenet {
namespace {

struct PlannedCut {
  TensorCut cut;
  std::string_view units = "values";  // what is cut, for people
};
using CutMap = std::map<std::string, PlannedCut>;

// Zero neurons after the kept ones are filled up to whole blocks of Q8_0, the type that cut columns get.
constexpr int64_t kQuantisedWidthMultiple = 32;

// Cuts every member of a group to the kept units, then `zeros` units of zeros at the end of every run.
void cut_group(const CoupledGroup& group, std::string_view units, const std::vector<int64_t>& kept, int64_t zeros,
               CutMap& cuts) {
  if (static_cast<int64_t>(kept.size()) == group.width && zeros == 0) return;
  for (const CoupledMember& member : group.members) {
    TensorCut& cut = cuts[member.tensor].cut;
    cuts[member.tensor].units = units;
    cut.axis = member.axis;
    for (const UnitRun& run : member.runs) {
      const std::vector<int64_t> owned = owned_indices({member.tensor, member.axis, {run}}, kept);
      cut.kept.insert(cut.kept.end(), owned.begin(), owned.end());
      cut.kept.insert(cut.kept.end(), static_cast<size_t>(zeros * run.count), kZeros);
    }
  }
}

// What a width that nobody asked for is rounded up to.
int64_t padded_multiple(const Checkpoint& checkpoint, const ModelDescription& model) {
  if (checkpoint.gguf() == nullptr) return model.keys.per_layer ? kDeciWidthMultiple : 1;
  const auto is_quantised = [&](const LayerDescription& layer) {
    return dtype_is_quantised(checkpoint.at(layer.ffn.down.tensor).stored.spec.dtype);
  };
  return std::any_of(model.layers.begin(), model.layers.end(), is_quantised) ? kQuantisedWidthMultiple : 1;
}

// The width of every layer when all are filled up to one; 0: they are not.
int64_t common_width(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                     const Edits& edits) {
  if (edits.layout != SliceLayout::kPadded) return 0;
  size_t widest = 0;
  bool any = false;
  for (size_t layer = 0; layer < mask.kept.size(); ++layer) {
    if (mask.drops(static_cast<int64_t>(layer))) continue;
    if (!any || mask.kept[layer].size() > mask.kept[widest].size()) widest = layer;
    any = true;
  }
  const auto least = static_cast<int64_t>(mask.kept[widest].size());
  if (edits.padded_width != 0 && edits.padded_width < least) {
    fail(ErrorCode::kBadOption, "padded width", "is {}, but layer {} keeps {} neurons", edits.padded_width, widest,
         least);
  }
  if (edits.padded_width != 0) return edits.padded_width;
  const int64_t multiple = padded_multiple(checkpoint, model);
  return (least + multiple - 1) / multiple * multiple;
}

// "model.layers.12.mlp..." is layer 12; nothing for tensors outside the layers.
std::optional<int64_t> layer_of(const std::string& name, const std::string& prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  int64_t layer = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, layer);
  if (error != std::errc() || stop == end || *stop != '.' || layer < 0) return std::nullopt;
  return layer;
}

// "mlp.down_proj" of "model.layers.12.mlp.down_proj.weight": the same tensor in every layer.
std::string name_in_layer(const std::string& name, const std::string& prefix) {
  std::string role = layer_of(name, prefix) ? name.substr(name.find('.', prefix.size()) + 1) : name;
  if (role.ends_with(".weight")) role.resize(role.size() - std::string_view(".weight").size());
  return role;
}

// New indices of the layers that stay.
class Renumbering {
 public:
  Renumbering(const ModelDescription& model, const Mask& mask) : prefix_(model.layer_prefix) {
    for (size_t layer = 0, next = 0; layer < model.layers.size(); ++layer) {
      const bool dropped = mask.drops(static_cast<int64_t>(layer));
      new_index_.push_back(dropped ? -1 : static_cast<int64_t>(next++));
    }
  }

  /// The tensor's name in the new checkpoint; nothing where its layer is dropped.
  std::optional<std::string> new_name(const std::string& name) const {
    const auto layer = layer_of(name, prefix_);
    if (!layer || *layer >= static_cast<int64_t>(new_index_.size())) return name;
    const int64_t index = new_index_[static_cast<size_t>(*layer)];
    if (index < 0) return std::nullopt;
    if (index == *layer) return name;
    return fmt::format("{}{}{}", prefix_, index, name.substr(name.find('.', prefix_.size())));
  }

 private:
  const std::string& prefix_;
  std::vector<int64_t> new_index_;
};

// Along the last axis of its shape: columns, which quantised types hold in blocks.
bool cuts_columns(const TensorCut& cut, const TensorSpec& spec) {
  return !cut.kept.empty() && static_cast<size_t>(cut.axis) + 1 == spec.shape.size();
}

// The type in which what `cut` keeps of bytes of its dtype is written.
void settle_type(TensorCut& cut, TensorSpec& spec) {
  spec.dtype = cut.dtype;
  if (!cuts_columns(cut, spec)) return;
  const ColumnCut columns = column_cut(cut.dtype, cut.kept);
  spec.dtype = columns.dtype;
  cut.recoded = !columns.copied;
}

// New bytes for a tensor: they hold what the cut would keep, without its zeros.
void replace(TensorCut& cut, const TensorSpec& cut_shape, std::span<const std::byte> bytes) {
  TensorSpec given = cut_shape;
  const auto zeros = std::count(cut.kept.begin(), cut.kept.end(), kZeros);
  if (!cut.kept.empty()) given.shape[static_cast<size_t>(cut.axis)] -= zeros;
  given.dtype = cut.dtype = replacement_dtype(cut.dtype, given.shape.empty() ? 1 : given.shape.back());
  if (bytes.size() != given.size_bytes()) {
    fail(ErrorCode::kMismatch, fmt::format("new values of tensor '{}'", given.name),
         "have {} bytes, expected {} for {} after the cut", bytes.size(), given.size_bytes(), to_string(given));
  }
  cut.replaced = bytes;
  if (zeros == 0) {
    cut.kept.clear();
    return;
  }
  int64_t next = 0;
  for (int64_t& index : cut.kept) {
    if (index != kZeros) index = next++;
  }
}

CutMap group_cuts(const ModelDescription& model, const Mask& mask, int64_t common) {
  CutMap cuts;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    if (mask.drops(static_cast<int64_t>(layer))) continue;
    const auto& neurons = mask.kept[layer];
    const int64_t zeros = common == 0 ? 0 : common - static_cast<int64_t>(neurons.size());
    cut_group(model.layers[layer].ffn.neurons, "neurons", neurons, zeros, cuts);
    if (!mask.kept_kv_groups.empty())
      cut_group(model.layers[layer].attention.kv_groups, "heads", mask.kept_kv_groups[layer], 0, cuts);
  }
  return cuts;
}

// Sizes of the layers that stay.
std::vector<LayerSizes> sizes_after(const ModelDescription& model, const Mask& mask, int64_t common) {
  std::vector<LayerSizes> sizes;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    if (mask.drops(static_cast<int64_t>(layer))) continue;
    LayerSizes size = model.sizes(layer);
    size.width = common == 0 ? static_cast<int64_t>(mask.kept[layer].size()) : common;
    if (!mask.kept_kv_groups.empty()) {
      const int64_t queries = size.heads / size.kv_heads;
      size.kv_heads = static_cast<int64_t>(mask.kept_kv_groups[layer].size());
      size.heads = queries * size.kv_heads;
    }
    sizes.push_back(size);
  }
  return sizes;
}

}  // namespace

SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Edits& edits) {
  Mask mask = edits.mask;
  if (mask.kept.empty()) mask.kept = whole_mask(model).kept;
  require_mask_fits(mask, model, "mask");
  for (const auto& [name, bytes] : edits.replaced) checkpoint.at(name);  // throws where there is none

  const int64_t common = common_width(checkpoint, model, mask, edits);
  CutMap cuts = group_cuts(model, mask, common);
  const Renumbering renumbering(model, mask);
  Retyped retyped;
  SlicePlan plan;
  for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    TensorSpec spec = checkpoint.tensors()[i].stored.spec;
    const std::string name = spec.name;
    const auto new_name = renumbering.new_name(name);
    if (!new_name) continue;
    auto& [cut, units] = cuts[name];
    cut.source = i;
    cut.dtype = spec.dtype;
    if (!cut.kept.empty()) spec.shape[static_cast<size_t>(cut.axis)] = static_cast<int64_t>(cut.kept.size());
    const auto found = edits.replaced.find(name);
    if (found != edits.replaced.end()) replace(cut, spec, found->second);
    settle_type(cut, spec);
    spec.name = *new_name;
    retyped.add(name_in_layer(name, model.layer_prefix), checkpoint.tensors()[i].stored.spec.dtype, spec, cut, units);
    plan.tensors.push_back(std::move(spec));
    plan.cuts.push_back(std::move(cut));
  }
  const std::vector<LayerSizes> sizes = sizes_after(model, mask, common);
  if (checkpoint.gguf() != nullptr) {
    SlicedMetadata result = slice_metadata(checkpoint, model, mask, sizes, edits.layout, plan.tensors);
    plan.metadata = std::move(result.metadata);
    plan.notes = std::move(result.notes);
  } else {
    SlicedConfig config = slice_config(checkpoint, model, mask, sizes, edits.layout);
    plan.config_text = std::move(config.text);
    plan.uniform = config.uniform;
    plan.extra_files = std::move(config.extra_files);
    plan.notes = std::move(config.notes);
  }
  plan.warnings = retyped.notes(checkpoint.tensor_bytes());
  return plan;
}

SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask) {
  require_mask_fits(mask, model, "mask");  // a mask without layers is none
  return plan_slice(checkpoint, model, Edits{.mask = mask});
}

}  // namespace prunenet
