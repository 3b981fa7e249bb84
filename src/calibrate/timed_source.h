// A source of moments whose time is taken: what measuring, refitting neurons and carrying a change on cost, beside the
// operations that were counted from the matrices that came.
#pragma once

#include <memory>

#include "calibrate/moment_source.h"
#include "cost/phase_times.h"
#include "cost/shape.h"

namespace prunenet {

/// Where moments come from, for counting. A walk runs the model on so many tokens, in sequences of that mean length.
struct SourceWork {
  enum class Kind { kWalk, kGaussian, kStored };
  Kind kind = Kind::kWalk;
  double tokens = 0, mean_length = 0;
};
/// Of a walk over these.
SourceWork walk_over(std::span<const std::vector<TokenId>> sequences);

/// Does what `source` does. `times` and `shape` must outlive it.
std::unique_ptr<MomentSource> timed_source(std::unique_ptr<MomentSource> source, PhaseTimes& times,
                                           const ModelShape& shape, const SourceWork& work);

}  // namespace prunenet
