// Before and after: parameters, bytes, operations, and the ratios that were really reached.
#pragma once

#include "cli/selection_options.h"
#include "cli/verb.h"
#include "model/mask.h"
#include "slice/slice.h"

namespace prunenet::cli {

struct SizeChange {
  ModelSize before, after;

  double ffn_ratio_reached() const;    // share of FFN parameters removed
  double total_ratio_reached() const;  // share of all parameters removed
};

/// The change that a plan makes.
SizeChange size_change(const OpenModel& open, const SlicePlan& plan);
/// The change when each layer keeps `widths` neurons.
SizeChange size_change(const OpenModel& open, const std::vector<int64_t>& widths);

/// The JSON keys that plan and prune share.
Json size_json(const SizeChange& change);
/// The ratio asked for; null where a mask decides.
Json asked_ratio_json(const SelectionOptions& selection);
/// The sizes as a table on stdout.
void print_sizes(const SizeChange& change, const OpenModel& open, const std::vector<int64_t>& widths);
/// The ratio asked for beside the one reached, and why they differ; nothing for a mask.
void print_ratio(const SelectionOptions& selection, int64_t width_multiple, const SizeChange& change);

}  // namespace prunenet::cli
