// MomentAccumulator: staging, panels, averages.
#include "moments/accumulator.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "linalg/parallel.h"
#include "linalg/product.h"

namespace prunenet {
namespace {

constexpr int64_t kParallelFrom = 1 << 16;  // numbers

// sums[j] += column j of rows [n, width]; each column in the order of its rows.
void add_columns(const float* rows, int64_t n, int64_t width, std::vector<double>& sums) {
  constexpr int64_t kColumns = 256;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * width > kParallelFrom)
  for (int64_t first = 0; first < width; first += kColumns) {
    const int64_t last = std::min(first + kColumns, width);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = first; j < last; ++j) sums[static_cast<size_t>(j)] += static_cast<double>(rows[i * width + j]);
    }
  }
}

// A sum of finite f32 numbers is finite in f64; a sum with NaN or infinity in it is not. Then: where.
void require_finite(std::span<const float> rows, int64_t width, const std::vector<double>& sums, int64_t tokens_before,
                    const std::string& where, const char* what) {
  if (std::all_of(sums.begin(), sums.end(), [](double x) { return std::isfinite(x); })) return;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (std::isfinite(rows[i])) continue;
    const int64_t token = tokens_before + static_cast<int64_t>(i) / width, index = static_cast<int64_t>(i) % width;
    fail(ErrorCode::kNonFinite, where, "{} {} of token {} is {}", what, index, token,
         std::isnan(rows[i]) ? "NaN" : "infinite");
  }
}

void scale_upper(Matrix<float>& sums, double factor, bool upper) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads()) if (sums.size() > kParallelFrom)
  for (int64_t i = 0; i < sums.rows(); ++i) {
    for (int64_t j = upper ? i : 0; j < sums.cols(); ++j) {
      float& sum = sums.data()[i * sums.cols() + j];
      sum = static_cast<float>(static_cast<double>(sum) * factor);
    }
  }
}

}  // namespace

MomentAccumulator::MomentAccumulator(int64_t inputs, int64_t outputs, std::string where)
    : inputs_(inputs),
      outputs_(outputs),
      where_(std::move(where)),
      panel_(kPanelTokens, inputs),
      target_panel_(outputs > 0 ? kPanelTokens : 0, outputs),
      second_(inputs, inputs),
      cross_(Matrix<float>::Zero(outputs, outputs > 0 ? inputs : 0)),
      sum_(static_cast<size_t>(inputs)),
      target_sum_(static_cast<size_t>(outputs)) {
  PRUNENET_CHECK(inputs > 0 && outputs >= 0);
  second_.setZero();
}

void MomentAccumulator::add(std::span<const float> h, std::span<const float> targets) {
  PRUNENET_CHECK(second_.size() > 0);  // not finished
  const int64_t n = static_cast<int64_t>(h.size()) / inputs_;
  PRUNENET_CHECK(static_cast<int64_t>(h.size()) == n * inputs_ && static_cast<int64_t>(targets.size()) == n * outputs_);
  std::vector<double> sum = sum_, target_sum = target_sum_;
  add_columns(h.data(), n, inputs_, sum);
  require_finite(h, inputs_, sum, tokens_, where_, "input");
  if (outputs_ > 0) {
    add_columns(targets.data(), n, outputs_, target_sum);
    require_finite(targets, outputs_, target_sum, tokens_, where_, "target");
    for (const float t : targets) energy_ += static_cast<double>(t) * static_cast<double>(t);
  }
  sum_ = std::move(sum);
  target_sum_ = std::move(target_sum);
  tokens_ += n;
  for (int64_t taken = 0; taken < n;) {
    const int64_t rows = std::min(n - taken, kPanelTokens - staged_);
    std::copy_n(h.data() + taken * inputs_, rows * inputs_, panel_.data() + staged_ * inputs_);
    if (outputs_ > 0) {
      std::copy_n(targets.data() + taken * outputs_, rows * outputs_, target_panel_.data() + staged_ * outputs_);
    }
    staged_ += rows;
    taken += rows;
    if (staged_ == kPanelTokens) flush();
  }
}

void MomentAccumulator::flush() {
  if (staged_ == 0) return;
  const Block<const float> h = as_const(block_of(panel_).part(0, staged_, 0, inputs_));
  symmetric_product<float>(1, h, h, 1, block_of(second_));
  if (outputs_ > 0) {
    const Block<const float> t = as_const(block_of(target_panel_).part(0, staged_, 0, outputs_));
    product<float>(Transpose::kYes, Transpose::kNo, 1, t, h, 1, block_of(cross_));
  }
  staged_ = 0;
}

CollectedMoments MomentAccumulator::finish() {
  flush();
  const double share = tokens_ > 0 ? 1 / static_cast<double>(tokens_) : 0;
  scale_upper(second_, share, true);
  scale_upper(cross_, share, false);
  for (int64_t i = 0; i < inputs_; ++i) {
    if (!std::isfinite(second_(i, i))) {
      fail(ErrorCode::kNonFinite, where_, "the square of input {} leaves the range of f32 (its mean is {})", i,
           sum_[static_cast<size_t>(i)] * share);
    }
  }
  for (double& sum : sum_) sum *= share;
  for (double& sum : target_sum_) sum *= share;
  CollectedMoments result;
  result.moments = {tokens_, std::move(second_), std::move(sum_)};
  if (outputs_ > 0) {
    if (!std::isfinite(energy_) || !cross_.allFinite()) {
      fail(ErrorCode::kNonFinite, where_, "a product of input and target leaves the range of f32");
    }
    result.target = TargetMoments{std::move(cross_), std::move(target_sum_), energy_ * share};
  }
  tokens_ = 0;
  return result;
}

}  // namespace prunenet
