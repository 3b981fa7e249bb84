// What a refit is before it is solved, wherever it is computed: shapes checked, inputs scaled and put in order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "surgeon/refit.h"
#include "surgeon/scaled.h"

namespace prunenet {

struct RefitProblem {
  const Moments& moments;
  const TargetMoments* target;
  const Matrix<float>& w;
  const std::vector<double>* bias;
  std::span<const int64_t> kept;
  const RefitOptions& options;
  Scaling scaling;
  std::vector<int64_t> order;      // live inputs: the kept ones, then the removed ones
  std::vector<int64_t> live_kept;  // positions in `kept` of the first of them

  int64_t num_kept() const { return static_cast<int64_t>(live_kept.size()); }
};

/// The arguments, which must outlive it, as `refit` takes them. Throws kMismatch for shapes that do not fit each other,
/// kNonFinite.
RefitProblem make_refit_problem(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
                                const std::vector<double>* bias, std::span<const int64_t> kept,
                                const RefitOptions& options);

}  // namespace prunenet
