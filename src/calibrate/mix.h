// Neurons, KV groups and layers under one budget: the mix that costs least, measured.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/store_part.h"
#include "calibrate/allocation.h"

namespace prunenet {

/// One way to spend the budget.
struct MixCandidate {
  int64_t layers_dropped = 0;
  int64_t kv_groups_removed = 0;  // of every layer
  std::vector<int64_t> widths;    // of every layer, uniform
  double total_ratio = 0;         // of all parameters, that it removes
  double estimated_kl = 0;        // sum of the three alone
  std::optional<double> kl;       // of the whole mix, refitted: on own text that nothing was fitted to. Where measured
};

struct MixOptions {
  double total_ratio = 0;  // of all parameters, to be removed: at least
  int64_t width_multiple = 1;
  int64_t measured = 3;            // candidates, by estimate, that are carried out and measured
  int64_t judging_sequences = 32;  // of own text that nothing is fitted to and that no result is reported on: estimates
                                   // and candidates are judged on it
  /// Parameters of the model after a mask (slice knows).
  std::function<int64_t(const Mask&)> params_after;
};

struct Mix {
  std::vector<MixCandidate> candidates;  // the best first: measured ones by KL, then by estimate
  ShrinkPlan plan;                       // of the first, which has been carried out:
  std::unique_ptr<StorePart> parts;      // where what `changed` refers to is
  std::unique_ptr<ChangedModel> changed;
  ShrinkOutcome outcome;
};

/// Throws kBadOption, before anything is measured, where no mix reaches the ratio. Cost: a forward pass for every layer
/// and layer dropped, a walk through the dense model with all that shrinking does for up to 10 single cuts, and
/// `measured` whole runs. Goes on from what the pruner's store holds; what the mixes that were not taken left there
/// goes.
Mix find_mix(SelfPruner& pruner, const MixOptions& options);

}  // namespace prunenet
