// Checks, scaling, and the ladder of dampings.
#include "surgeon/elimination_problem.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "surgeon/damping.h"

namespace prunenet {
namespace {

void require_shapes(const Moments& moments, const Matrix<float>& w, const Matrix<float>* g,
                    const EliminationOptions& options) {
  const int64_t f = moments.width();
  if (w.cols() != f) {
    fail(ErrorCode::kMismatch, options.where, "the map has {} inputs, the moments are of {}", w.cols(), f);
  }
  if (g != nullptr && (g->rows() != w.rows() || g->cols() != w.rows())) {
    fail(ErrorCode::kMismatch, options.where, "the sensitivity is {} x {}, the map has {} outputs", g->rows(),
         g->cols(), w.rows());
  }
  PRUNENET_CHECK(options.group_size >= 1 && f % options.group_size == 0);
  PRUNENET_CHECK(options.remove_groups >= 0 && options.remove_groups <= f / options.group_size);
}

}  // namespace

Elimination eliminate_by(const EliminationAttempt& attempt, const Moments& moments, const Matrix<float>& w,
                         const Matrix<float>* sensitivity, const EliminationOptions& options) {
  require_shapes(moments, w, sensitivity, options);
  const int64_t f = moments.width(), s = options.group_size, groups = f / s;
  EliminationProblem problem{moments, w, sensitivity, options, scaling_of(moments, options.centred, options.where)};
  Elimination dead;
  for (int64_t g = groups - 1; g >= 0; --g) {
    const auto first = problem.scaling.scale.begin() + g * s;
    const bool is_dead = std::all_of(first, first + s, [](double x) { return x == 0; });
    if (!is_dead) {
      problem.live.push_back(g);
    } else if (++dead.dead_groups <= options.remove_groups) {
      dead.removed.push_back(g);
      dead.error.push_back(0);
    }
  }
  std::reverse(problem.live.begin(), problem.live.end());
  const int64_t count = options.remove_groups - static_cast<int64_t>(dead.removed.size());
  const Precision precision = resolve(options.precision, f);
  double damping = options.damping.value_or(automatic_damping(f, moments.tokens, precision));
  PRUNENET_CHECK(damping >= 0 && std::isfinite(damping));
  for (int raises = 0; raises <= kMostDampingRaises; ++raises) {
    Elimination result = dead;
    result.damping = damping;
    result.damping_raised = raises;
    if (problem.live.empty()) return result;
    if (attempt(problem, count, damping, precision, result)) return result;
    damping = std::max(10 * damping, automatic_damping(f, moments.tokens, precision));
  }
  fail_no_moments(options.where, damping);
}

}  // namespace prunenet
