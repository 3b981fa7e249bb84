// Planning a cut: new shapes, kept indices, new config.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "checkpoint/config_text.h"
#include "slice/slice.h"

namespace prunenet {
namespace {

// Indices along the member's axis: the kept neurons in each of its stacked blocks.
std::vector<int64_t> kept_indices(const CoupledMember& member, int64_t width, const std::vector<int64_t>& kept) {
  std::vector<int64_t> indices;
  indices.reserve(kept.size() * static_cast<size_t>(member.blocks));
  for (int64_t block = 0; block < member.blocks; ++block) {
    for (int64_t neuron : kept) indices.push_back(block * width + neuron);
  }
  return indices;
}

}  // namespace

SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask) {
  require_mask_fits(mask, model, "mask");
  std::map<std::string, TensorCut> cut_of;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const CoupledGroup& group = model.layers[layer].ffn.neurons;
    if (static_cast<int64_t>(mask.kept[layer].size()) == group.width) continue;
    for (const CoupledMember& member : group.members) {
      cut_of[member.tensor] = {member.axis, kept_indices(member, group.width, mask.kept[layer])};
    }
  }
  SlicePlan plan;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    plan.tensors.push_back(entry.stored.spec);
    const auto found = cut_of.find(entry.stored.spec.name);
    plan.cuts.push_back(found == cut_of.end() ? TensorCut{} : std::move(found->second));
    const TensorCut& cut = plan.cuts.back();
    if (!cut.kept.empty()) plan.tensors.back().shape[static_cast<size_t>(cut.axis)] = static_cast<int64_t>(cut.kept.size());
  }
  const std::vector<int64_t> widths = mask.kept_widths();
  plan.uniform = std::all_of(widths.begin(), widths.end(), [&](int64_t width) { return width == widths.front(); });
  plan.config_text = checkpoint.config_text();
  // A model that is not cut keeps its config to the byte; so does one whose widths no single number can state.
  if (plan.uniform && widths.front() != model.config_width) {
    plan.config_text = with_top_level_value(plan.config_text, model.width_key, std::to_string(widths.front()),
                                            (checkpoint.folder() / "config.json").string());
  }
  return plan;
}

}  // namespace prunenet
