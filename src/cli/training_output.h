// How a training history is shown: as JSON keys and as a table.
#pragma once

#include "cli/selection_options.h"

namespace prunenet::cli {

/// "episodes" and "best_episode"; "spectrum": exact, or estimate, where every episode states the error of its KS values.
Json training_json(const TrainedPolicy& trained);
void print_training(const TrainedPolicy& trained);

}  // namespace prunenet::cli
