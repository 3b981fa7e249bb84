// What an elimination is before its first removal, wherever it computes: shapes checked, inputs scaled, dead groups
// gone; and the retrying with more damping where the moments demand it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "surgeon/eliminate.h"
#include "surgeon/scaled.h"

namespace prunenet {

struct EliminationProblem {
  const Moments& moments;
  const Matrix<float>& w;
  const Matrix<float>* sensitivity;
  const EliminationOptions& options;
  Scaling scaling;
  std::vector<int64_t> live{};  // groups with any energy, ascending
};

/// Removes `count` live groups under one damping, appends them and their errors to `result`, and gives it its energy.
/// False where the damped moments are not positive definite; what `result` holds is then worthless.
using EliminationAttempt = std::function<bool(const EliminationProblem& problem, int64_t count, double damping,
                                              Precision precision, Elimination& result)>;

/// `eliminate` (see there for arguments and errors) with the work between damping and result done by `attempt`.
Elimination eliminate_by(const EliminationAttempt& attempt, const Moments& moments, const Matrix<float>& w,
                         const Matrix<float>* sensitivity, const EliminationOptions& options);

}  // namespace prunenet
