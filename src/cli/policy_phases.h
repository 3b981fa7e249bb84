// Where the time of the published policy went, beside the products that it takes: for --phases, under the names of
// plan.
#pragma once

#include "cli/estimate.h"
#include "cost/phase_times.h"

namespace prunenet::cli {

/// Adds the parts of a training. `request` is of the run, without `self`; episodes that an earlier run had finished are
/// not counted.
void add_training_phases(const CostRequest& request, const TrainedPolicy& trained, PhaseTimes& times);

/// Counts what the spectra of the chosen rows take, and those of whole layers where none was trained before;
/// `num_cached` of these were in the cache.
void count_spectra_of_choice(const CostRequest& request, const std::optional<TrainedPolicy>& trained,
                             int64_t num_cached, TimedPhase& phase);

}  // namespace prunenet::cli
