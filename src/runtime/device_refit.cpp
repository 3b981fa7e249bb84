// Least squares for the change of the kept columns, in scaled coordinates, by Cholesky. The steps and their letters are
// those of surgeon/refit.cpp.
#include "runtime/device_refit.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/device_matrix.h"
#include "surgeon/refit_problem.h"

namespace prunenet {
namespace {

class DeviceRefit {
 public:
  DeviceRefit(at::Device device, RefitProblem problem)
      : problem_(std::move(problem)),
        has_bias_(problem_.bias != nullptr),
        precision_(resolve(problem_.options.precision, problem_.moments.width())),
        place_{device, precision_ == Precision::kF64 ? at::kDouble : at::kFloat},
        kept_index_(on_device(problem_.kept, device)),
        w_(on_device(problem_.w, {device, at::kFloat})) {
    const Place wide{device, at::kDouble};
    mean_ = on_device(problem_.scaling.mean, wide);
    if (!has_bias_) return;
    bias_ = on_device(*problem_.bias, wide);
    std::vector<double> kept_mean(problem_.scaling.mean.size()), removed_mean(problem_.scaling.mean);
    for (const int64_t input : problem_.kept)
      std::swap(kept_mean[static_cast<size_t>(input)], removed_mean[static_cast<size_t>(input)]);
    // What the means leave: E[t] - b - W_S E[h_S] of the cut, unfitted map.
    left_ = problem_.target == nullptr ? times(removed_mean)
                                       : on_device(problem_.target->mean, wide) - bias_ - times(kept_mean);
  }

  Refit run() {
    Refit result;
    const RefitOptions& options = problem_.options;
    result.damping =
        options.damping.value_or(automatic_damping(kept_index_.size(0), problem_.moments.tokens, precision_));
    PRUNENET_CHECK(result.damping >= 0 && std::isfinite(result.damping));
    at::Tensor w = w_.index_select(1, kept_index_);
    if (!all_finite(w)) fail(ErrorCode::kNonFinite, options.where, "the weights hold NaN or infinity");
    if (options.towards == RidgeTowards::kZero) set_dead_to_zero(w);
    if (problem_.num_kept() > 0) solve(problem_.num_kept(), w, result);
    if (has_bias_) {
      // b + what the means left, less what the change of W' brings.
      const at::Tensor change = w.to(at::kDouble) - w_.index_select(1, kept_index_).to(at::kDouble);
      result.bias = to_host_numbers(bias_ + left_ - at::mv(change, mean_.index_select(0, kept_index_)));
    }
    result.w = to_host_matrix(w);
    return result;
  }

 private:
  // Of the kept columns.
  void set_dead_to_zero(at::Tensor& w) const {
    std::vector<int64_t> dead;
    for (size_t i = 0; i < problem_.kept.size(); ++i) {
      if (problem_.scaling.scale[static_cast<size_t>(problem_.kept[i])] == 0) dead.push_back(static_cast<int64_t>(i));
    }
    if (!dead.empty()) w.index_fill_(1, on_device(dead, place_.device), 0);
  }

  // W x in f64.
  at::Tensor times(std::span<const double> x) const {
    return at::mv(w_.to(at::kDouble), on_device(x, {place_.device, at::kDouble}));
  }
  static double squared_norm(const at::Tensor& x) { return inner_product_of(x, x); }
  // tr(X C X^T), C symmetric.
  static double quadratic_trace_of(const at::Tensor& x, const at::Tensor& c) {
    return x.size(1) == 0 ? 0.0 : inner_product_of(at::mm(x, c), x);
  }

  // Centred cross moments of the live kept inputs, scaled, [D, K].
  at::Tensor scaled_cross(int64_t k) const {
    const at::Tensor index =
        on_device(std::span<const int64_t>(problem_.order).first(static_cast<size_t>(k)), place_.device);
    at::Tensor cross =
        on_device(problem_.target->cross, {place_.device, at::kFloat}).index_select(1, index).to(at::kDouble);
    if (has_bias_) {
      const at::Tensor of_target = on_device(problem_.target->mean, {place_.device, at::kDouble});
      cross = cross - of_target.unsqueeze(1) * mean_.index_select(0, index);
    }
    cross = (cross * inverse_scales(k)).to(place_.type);
    if (!all_finite(cross))
      fail(ErrorCode::kNonFinite, problem_.options.where, "the target moments hold NaN or infinity");
    return cross;
  }

  at::Tensor inverse_scales(int64_t k) const {
    std::vector<double> inverse;
    for (int64_t j = 0; j < k; ++j) {
      inverse.push_back(1 / problem_.scaling.scale[static_cast<size_t>(problem_.order[static_cast<size_t>(j)])]);
    }
    return on_device(inverse, {place_.device, at::kDouble});
  }

  // Fills `result` but for its matrix and bias; the live columns of `w` [D, kept] change from the dense ones.
  void solve(int64_t k, at::Tensor& w, Refit& result) const {
    const auto n = static_cast<int64_t>(problem_.order.size());
    const at::Tensor c =
        scaled_moments_on(problem_.moments, problem_.scaling, problem_.order, place_, problem_.options.where);
    const at::Tensor dense = scaled_columns_on(w_, problem_.scaling, problem_.order, place_, problem_.options.where);
    const at::Tensor w_kept = dense.narrow(1, 0, k), w_removed = dense.narrow(1, k, n - k);
    const at::Tensor c_kept = c.narrow(0, 0, k).narrow(1, 0, k);

    // gradient = E[t h_S^T] - W_S C_SS, which without a target is W_R C_RS.
    at::Tensor gradient;
    double centred_error;
    if (problem_.target == nullptr) {
      gradient = at::mm(w_removed, c.narrow(0, k, n - k).narrow(1, 0, k));
      centred_error = quadratic_trace_of(w_removed, c.narrow(0, k, n - k).narrow(1, k, n - k));
      result.target_energy = quadratic_trace_of(dense, c);
      if (has_bias_) result.target_energy += squared_norm(times(problem_.scaling.mean));
    } else {
      gradient = scaled_cross(k);
      double whole = problem_.target->energy, of_means = 0;
      if (has_bias_) {
        const at::Tensor mean = on_device(problem_.target->mean, {place_.device, at::kDouble});
        whole += squared_norm(bias_) - 2 * inner_product_of(bias_, mean);
        of_means = squared_norm(mean - bias_);
      }
      result.target_energy = whole;
      centred_error = whole - of_means - inner_product_of(w_kept, gradient);
      gradient = gradient - at::mm(w_kept, c_kept);
      centred_error = std::max(0.0, centred_error - inner_product_of(w_kept, gradient));
    }
    result.plain_error = centred_error + (has_bias_ ? squared_norm(left_) : 0);

    at::Tensor right, change;
    for (;; result.damping = std::max(10 * result.damping,
                                      automatic_damping(k, problem_.moments.tokens, problem_.options.precision))) {
      at::Tensor damped = c_kept.clone();
      damped.diagonal().fill_(1 + result.damping);
      right = problem_.options.towards == RidgeTowards::kZero ? gradient - result.damping * w_kept : gradient;
      const auto [factor, info] = at::linalg_cholesky_ex(damped);
      if (info.item<int>() == 0) {
        change = at::cholesky_solve(right.t(), factor).t();
        if (all_finite(change)) break;
      }
      if (++result.damping_raised > kMostDampingRaises) fail_no_moments(problem_.options.where, result.damping);
    }
    // change (C_SS + damping I) = right, so that the quadratic term needs no product.
    const double fitted = centred_error - 2 * inner_product_of(change, gradient) + inner_product_of(change, right) -
                          result.damping * squared_norm(change);
    result.error = std::max(0.0, fitted);
    const at::Tensor live = on_device(problem_.live_kept, place_.device);
    const at::Tensor moved = w.index_select(1, live).to(at::kDouble) + change.to(at::kDouble) * inverse_scales(k);
    w.index_copy_(1, live, moved.to(at::kFloat));
  }

  RefitProblem problem_;
  bool has_bias_;
  Precision precision_;
  Place place_;
  at::Tensor kept_index_, w_;      // int64 [kept]; f32 [D, F]
  at::Tensor mean_, bias_, left_;  // f64 [F], [D], [D]; the last two undefined where there is no bias
};

}  // namespace

Refit refit_on(at::Device device, const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
               const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options) {
  const at::NoGradGuard no_grad;
  return DeviceRefit(device, make_refit_problem(moments, target, w, bias, kept, options)).run();
}

}  // namespace prunenet
