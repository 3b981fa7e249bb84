// MomentTensors: the host's accumulator, or the same sums in tensors.
#include "runtime/moment_tensors.h"

#include <cmath>

#include "base/error.h"
#include "runtime/device_matrix.h"
#include "runtime/site.h"

namespace prunenet {

MomentTensors::MomentTensors(int64_t inputs, int64_t outputs, at::Device device, bool in_torch, std::string where)
    : inputs_(inputs), outputs_(outputs), where_(std::move(where)) {
  PRUNENET_CHECK(inputs > 0 && outputs >= 0);
  if (device.is_cpu() && !in_torch) {
    host_.emplace(inputs, outputs, where_);
    return;
  }
  const auto narrow = at::TensorOptions(at::kFloat).device(device);
  const auto wide = at::TensorOptions(at::kDouble).device(device);
  second_ = at::zeros({inputs, inputs}, narrow);
  cross_ = at::zeros({outputs, outputs > 0 ? inputs : 0}, narrow);
  sum_ = at::zeros({inputs}, wide);
  target_sum_ = at::zeros({outputs}, wide);
  energy_ = at::zeros({}, wide);
}

void MomentTensors::require_finite(const at::Tensor& rows, const at::Tensor& sums, const char* what) const {
  if (all_finite(sums)) return;
  const at::Tensor bad = at::isfinite(rows).logical_not().nonzero();  // [count, 2]; the first is the first token's
  const std::vector<int64_t> first = to_host_indices(bad.narrow(0, 0, 1).view({-1}));
  const float value = rows[first[0]][first[1]].item<float>();
  fail(ErrorCode::kNonFinite, where_, "{} {} of token {} is {}", what, first[1], tokens_ + first[0],
       std::isnan(value) ? "NaN" : "infinite");
}

void MomentTensors::add(const at::Tensor& h, const at::Tensor& targets) {
  PRUNENET_CHECK(h.size(1) == inputs_ &&
                 (outputs_ == 0 || (targets.size(0) == h.size(0) && targets.size(1) == outputs_)));
  if (host_) {
    const at::Tensor plain = h.to(at::kCPU, at::kFloat).contiguous();
    if (outputs_ == 0) return host_->add(numbers_of(plain));
    return host_->add(numbers_of(plain), numbers_of(targets.to(at::kCPU, at::kFloat).contiguous()));
  }
  const at::Tensor rows = h.to(second_.device(), at::kFloat);
  const at::Tensor sums = at::sum(rows, 0, false, at::kDouble);
  require_finite(rows, sums, "input");
  if (outputs_ > 0) {
    const at::Tensor wanted = targets.to(second_.device(), at::kFloat);
    const at::Tensor target_sums = at::sum(wanted, 0, false, at::kDouble);
    require_finite(wanted, target_sums, "target");
    target_sum_.add_(target_sums);
    energy_.add_(at::sum(wanted.to(at::kDouble).square()));
    cross_.addmm_(wanted.t(), rows);
  }
  sum_.add_(sums);
  second_.addmm_(rows.t(), rows);
  tokens_ += rows.size(0);
}

CollectedMoments MomentTensors::finish() {
  if (host_) return host_->finish();
  const double share = tokens_ > 0 ? 1 / static_cast<double>(tokens_) : 0;
  CollectedMoments result;
  result.moments = {tokens_, to_host_matrix(second_.mul_(share)), to_host_numbers(sum_ * share)};
  for (int64_t i = 0; i < inputs_; ++i) {
    if (!std::isfinite(result.moments.second(i, i))) {
      fail(ErrorCode::kNonFinite, where_, "the square of input {} leaves the range of f32 (its mean is {})", i,
           result.moments.mean[static_cast<size_t>(i)]);
    }
  }
  if (outputs_ > 0) {
    TargetMoments target;
    target.cross = to_host_matrix(cross_.mul_(share));
    target.mean = to_host_numbers(target_sum_ * share);
    target.energy = energy_.item<double>() * share;
    if (!std::isfinite(target.energy) || !target.cross.allFinite()) {
      fail(ErrorCode::kNonFinite, where_, "a product of input and target leaves the range of f32");
    }
    result.target = std::move(target);
  }
  second_ = cross_ = at::Tensor();
  return result;
}

}  // namespace prunenet
