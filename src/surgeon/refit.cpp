// Least squares for the change of the kept columns, in scaled coordinates.
#include "surgeon/refit.h"

#include <algorithm>
#include <cmath>

#include "base/cancel.h"
#include "base/error.h"
#include "linalg/cholesky.h"
#include "linalg/product.h"
#include "surgeon/refit_problem.h"

namespace prunenet {
namespace {

// What the means leave: E[t] - b - W_S E[h_S] of the cut, unfitted map; zeros where there is no bias.
std::vector<double> mean_left_by_the_cut(const RefitProblem& problem) {
  std::vector<double> left(static_cast<size_t>(problem.w.rows()));
  if (problem.bias == nullptr) return left;
  std::vector<bool> stays(static_cast<size_t>(problem.w.cols()));
  for (const int64_t j : problem.kept) stays[static_cast<size_t>(j)] = true;
  for (int64_t d = 0; d < problem.w.rows(); ++d) {
    double kept = 0, removed = 0;
    for (int64_t j = 0; j < problem.w.cols(); ++j) {
      const double part = static_cast<double>(problem.w(d, j)) * problem.moments.mean[static_cast<size_t>(j)];
      (stays[static_cast<size_t>(j)] ? kept : removed) += part;
    }
    const auto at = static_cast<size_t>(d);
    left[at] = problem.target == nullptr ? removed : problem.target->mean[at] - (*problem.bias)[at] - kept;
  }
  return left;
}

double squared_norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return sum;
}

// Centred cross moments of the live kept inputs, scaled, [D, K].
template <typename Real>
Matrix<Real> scaled_cross(const RefitProblem& problem) {
  const int64_t d = problem.w.rows(), k = problem.num_kept();
  Matrix<Real> cross(d, k);
  for (int64_t i = 0; i < d; ++i) {
    const double mean = problem.bias == nullptr ? 0 : problem.target->mean[static_cast<size_t>(i)];
    for (int64_t j = 0; j < k; ++j) {
      const auto input = static_cast<size_t>(problem.order[static_cast<size_t>(j)]);
      const double value = static_cast<double>(problem.target->cross(i, problem.order[static_cast<size_t>(j)]));
      cross(i, j) = static_cast<Real>((value - mean * problem.scaling.mean[input]) / problem.scaling.scale[input]);
    }
  }
  if (!cross.allFinite()) fail(ErrorCode::kNonFinite, problem.options.where, "the target moments hold NaN or infinity");
  return cross;
}

// E|t - b|^2, and the part of it that is not in the means.
struct Energy {
  double whole = 0, centred = 0;
};
Energy target_energy(const RefitProblem& problem) {
  const TargetMoments& target = *problem.target;
  if (problem.bias == nullptr) return {target.energy, target.energy};
  double whole = target.energy, of_means = 0;
  for (size_t d = 0; d < problem.bias->size(); ++d) {
    const double b = (*problem.bias)[d], mean = target.mean[d];
    whole += b * b - 2 * b * mean;
    of_means += (mean - b) * (mean - b);
  }
  return {whole, whole - of_means};
}

// Fills `result` but for its bias; columns of result.w that are live change from the dense ones.
template <typename Real>
void solve(const RefitProblem& problem, const std::vector<double>& mean_left, Refit& result) {
  const int64_t d = problem.w.rows(), n = static_cast<int64_t>(problem.order.size()), k = problem.num_kept(), r = n - k;
  const std::string& where = problem.options.where;
  Matrix<Real> c(n, n);
  fill_scaled_moments<Real>(problem.moments, problem.scaling, problem.order, block_of(c), where);
  const Block<Real> kept_c = block_of(c).part(0, k, 0, k);
  const Matrix<Real> dense = scaled_columns<Real>(problem.w, problem.scaling, problem.order, where);
  const Block<const Real> w_kept = block_of(dense).part(0, d, 0, k), w_removed = block_of(dense).part(0, d, k, r);

  // gradient = E[t h_S^T] - W_S C_SS, which without a target is W_R C_RS.
  Matrix<Real> gradient;
  double centred_error;
  if (problem.target == nullptr) {
    gradient.resize(d, k);
    gradient.setZero();
    if (r > 0)
      product<Real>(Transpose::kNo, Transpose::kYes, 1, w_removed, as_const(block_of(c).part(0, k, k, r)), 0,
                    block_of(gradient));
    centred_error = quadratic_trace<Real>(w_removed, as_const(block_of(c).part(k, r, k, r)));
    result.target_energy = quadratic_trace<Real>(block_of(dense), as_const(block_of(c)));
    if (problem.bias != nullptr) {
      for (int64_t i = 0; i < d; ++i) {
        double mean = 0;
        for (int64_t j = 0; j < problem.w.cols(); ++j)
          mean += static_cast<double>(problem.w(i, j)) * problem.moments.mean[static_cast<size_t>(j)];
        result.target_energy += mean * mean;
      }
    }
  } else {
    gradient = scaled_cross<Real>(problem);
    const Energy energy = target_energy(problem);
    result.target_energy = energy.whole;
    centred_error = energy.centred - inner_product<Real>(w_kept, as_const(block_of(gradient)));
    subtract_product_with_symmetric<Real>(w_kept, as_const(kept_c), block_of(gradient));
    centred_error = std::max(0.0, centred_error - inner_product<Real>(w_kept, as_const(block_of(gradient))));
  }
  result.plain_error = centred_error + squared_norm(mean_left);
  throw_if_cancelled();

  Matrix<Real> factor(k, k), right(d, k), change;
  for (;; result.damping =
              std::max(10 * result.damping, automatic_damping(k, problem.moments.tokens, problem.options.precision))) {
    const auto damping = static_cast<Real>(result.damping);
    for (int64_t i = 0; i < k; ++i) {
      c(i, i) = 1 + damping;
      std::copy(c.data() + i * n + i, c.data() + i * n + k, factor.data() + i * k + i);
    }
    right = gradient;
    if (problem.options.towards == RidgeTowards::kZero) right -= damping * dense.leftCols(k);
    change = right;
    if (cholesky(block_of(factor))) {
      solve_with_cholesky(as_const(block_of(factor)), block_of(change));
      if (change.allFinite()) break;
    }
    if (++result.damping_raised > kMostDampingRaises) fail_no_moments(where, result.damping);
  }
  throw_if_cancelled();
  // change (C_SS + damping I) = right, so that the quadratic term needs no product.
  const Block<const Real> x = as_const(block_of(change));
  const double fitted = centred_error - 2 * inner_product<Real>(x, as_const(block_of(gradient))) +
                        inner_product<Real>(x, as_const(block_of(right))) - result.damping * inner_product<Real>(x, x);
  result.error = std::max(0.0, fitted);
  for (int64_t j = 0; j < k; ++j) {
    const double inverse = 1 / problem.scaling.scale[static_cast<size_t>(problem.order[static_cast<size_t>(j)])];
    const int64_t column = problem.live_kept[static_cast<size_t>(j)];
    for (int64_t i = 0; i < d; ++i) {
      const double value = static_cast<double>(problem.w(i, problem.order[static_cast<size_t>(j)]));
      result.w(i, column) = static_cast<float>(value + static_cast<double>(change(i, j)) * inverse);
    }
  }
}

}  // namespace

Refit refit(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
            const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options) {
  const RefitProblem problem = make_refit_problem(moments, target, w, bias, kept, options);
  const auto k = static_cast<int64_t>(kept.size());
  const Precision precision = resolve(options.precision, moments.width());
  Refit result;
  result.damping = options.damping.value_or(automatic_damping(k, moments.tokens, precision));
  PRUNENET_CHECK(result.damping >= 0 && std::isfinite(result.damping));
  result.w.resize(w.rows(), k);
  for (int64_t j = 0; j < k; ++j) {
    const bool zero = options.towards == RidgeTowards::kZero &&
                      problem.scaling.scale[static_cast<size_t>(kept[static_cast<size_t>(j)])] == 0;
    if (zero) result.w.col(j).setZero();
    if (!zero) result.w.col(j) = w.col(kept[static_cast<size_t>(j)]);
  }
  if (!result.w.allFinite()) fail(ErrorCode::kNonFinite, options.where, "the weights hold NaN or infinity");
  const std::vector<double> mean_left = mean_left_by_the_cut(problem);
  if (problem.num_kept() > 0) {
    precision == Precision::kF64 ? solve<double>(problem, mean_left, result) : solve<float>(problem, mean_left, result);
  }
  if (bias == nullptr) return result;
  result.bias.resize(bias->size());
  for (int64_t d = 0; d < w.rows(); ++d) {  // b + what the means left, less what the change of W' brings
    const auto at = static_cast<size_t>(d);
    double b = (*bias)[at] + mean_left[at];
    for (int64_t j = 0; j < k; ++j) {
      const int64_t input = kept[static_cast<size_t>(j)];
      b -= (static_cast<double>(result.w(d, j)) - static_cast<double>(w(d, input))) *
           moments.mean[static_cast<size_t>(input)];
    }
    result.bias[at] = b;
  }
  return result;
}

}  // namespace prunenet
