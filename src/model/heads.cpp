// Heads from tensors.
#include "model/heads.h"

#include <fmt/format.h>

namespace prunenet {
namespace {

// A stored matrix [out, in] (Conv1D: [in, out]) with its bias.
struct Projection {
  const TensorSpec* weight = nullptr;
  const TensorSpec* bias = nullptr;
  int64_t out = 0, in = 0;
  bool fits = false;  // it is a matrix, and the bias beside it has its rows
};

Projection find_projection(const TensorLookup& find, const std::string& module, bool conv1d) {
  Projection found{find(module + ".weight"), find(module + ".bias")};
  if (found.weight == nullptr || found.weight->shape.size() != 2) return found;
  found.out = found.weight->shape[conv1d ? 1 : 0];
  found.in = found.weight->shape[conv1d ? 0 : 1];
  found.fits =
      found.out > 0 && found.in > 0 && (found.bias == nullptr || found.bias->shape == std::vector<int64_t>{found.out});
  return found;
}

void add_rows(CoupledGroup& group, const Projection& projection, bool conv1d, const std::vector<UnitRun>& runs) {
  group.members.push_back({projection.weight->name, conv1d ? 1 : 0, runs});
  if (projection.bias != nullptr) group.members.push_back({projection.bias->name, 0, runs});
}

}  // namespace

bool stores_fused(const TensorLookup& find, const TransformerSpec& spec, const std::string& layer) {
  if (spec.fused.empty()) return false;
  return !spec.fused_optional || find(fmt::format("{}{}.weight", layer, spec.fused)) != nullptr;
}

void describe_heads(const TensorLookup& find, const TransformerSpec& spec, const std::string& layer, int64_t index,
                    int64_t hidden, LayerDescription& dims) {
  const int64_t dim = dims.head_dim;
  const bool conv1d = spec.conv1d;
  CoupledGroup group{fmt::format("layer {} KV groups", index), dims.kv_heads, {}};
  dims.attention.kv_groups = group;
  const auto projection = [&](std::string_view name) {
    return find_projection(find, layer + std::string(name), conv1d);
  };
  const Projection output = projection(spec.output);
  const int64_t mixed = output.in;
  if (!output.fits || output.out != hidden || mixed % dim != 0) return;
  dims.attention.output = {output.weight->name, 0, hidden, mixed, conv1d};
  if (output.bias != nullptr) dims.attention.output_bias = output.bias->name;

  // Rows of the projections, in units of KV groups.
  const bool fused = stores_fused(find, spec, layer);
  const Projection query = projection(fused ? spec.fused : spec.query);
  if (!query.fits || query.in != hidden) return;
  Projection key, value;
  int64_t shared = 0;  // rows of keys, and as many of values
  if (!fused) {
    key = projection(spec.key), value = projection(spec.value);
    if (!key.fits || !value.fits || key.in != hidden || value.in != hidden || value.out != key.out) return;
    if (query.out != mixed) return;
    shared = key.out;
  } else {
    if (query.out <= mixed || (query.out - mixed) % 2 != 0) return;
    shared = (query.out - mixed) / 2;
  }
  if (shared % dim != 0 || mixed % shared != 0) return;
  dims.heads = mixed / dim;
  dims.kv_heads = group.width = shared / dim;

  const int64_t queries = mixed / group.width;  // rows of the queries of a group: whole heads
  if (!fused) {
    add_rows(group, query, conv1d, {{0, queries, queries}});
    add_rows(group, key, conv1d, {{0, dim, dim}});
    add_rows(group, value, conv1d, {{0, dim, dim}});
  } else if (spec.interleaved) {
    const int64_t all = queries + 2 * dim;
    add_rows(group, query, conv1d, {{0, all, all}});
  } else {
    add_rows(group, query, conv1d, {{0, queries, queries}, {mixed, dim, dim}, {mixed + shared, dim, dim}});
  }
  group.members.push_back({output.weight->name, conv1d ? 0 : 1, {{0, queries, queries}}});
  dims.attention.kv_groups = std::move(group);
}

}  // namespace prunenet
