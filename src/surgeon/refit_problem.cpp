// Shapes, and the order of the inputs.
#include "surgeon/refit_problem.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace prunenet {
namespace {

void require_shapes(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
                    const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options) {
  const int64_t f = moments.width(), d = w.rows();
  if (w.cols() != f)
    fail(ErrorCode::kMismatch, options.where, "the map has {} inputs, the moments are of {}", w.cols(), f);
  if (target != nullptr && (target->cross.rows() != d || target->cross.cols() != f)) {
    fail(ErrorCode::kMismatch, options.where, "the target moments are {} x {}, the map is {} x {}",
         target->cross.rows(), target->cross.cols(), d, f);
  }
  if (bias != nullptr && (static_cast<int64_t>(bias->size()) != d || static_cast<int64_t>(moments.mean.size()) != f ||
                          (target != nullptr && static_cast<int64_t>(target->mean.size()) != d))) {
    fail(ErrorCode::kMismatch, options.where, "a bias of {} outputs, {} means of inputs, for a map of {} x {}",
         bias->size(), moments.mean.size(), d, f);
  }
  PRUNENET_CHECK(!kept.empty() && kept.front() >= 0 && kept.back() < f);
  PRUNENET_CHECK(std::is_sorted(kept.begin(), kept.end(), std::less_equal<>()));
}

}  // namespace

RefitProblem make_refit_problem(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
                                const std::vector<double>* bias, std::span<const int64_t> kept,
                                const RefitOptions& options) {
  require_shapes(moments, target, w, bias, kept, options);
  RefitProblem problem{moments, target, w, bias, kept, options, scaling_of(moments, bias != nullptr, options.where),
                       {},      {}};
  std::vector<bool> stays(static_cast<size_t>(moments.width()));
  for (size_t i = 0; i < kept.size(); ++i) {
    stays[static_cast<size_t>(kept[i])] = true;
    if (problem.scaling.scale[static_cast<size_t>(kept[i])] == 0) continue;
    problem.order.push_back(kept[i]);
    problem.live_kept.push_back(static_cast<int64_t>(i));
  }
  for (int64_t j = 0; j < moments.width(); ++j) {
    if (!stays[static_cast<size_t>(j)] && problem.scaling.scale[static_cast<size_t>(j)] > 0) problem.order.push_back(j);
  }
  return problem;
}

}  // namespace prunenet
