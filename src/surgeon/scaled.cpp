// Scaled moments and columns.
#include "surgeon/scaled.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "linalg/parallel.h"

namespace prunenet {
namespace {
constexpr int64_t kParallelFrom = 1 << 16;  // numbers
}

Scaling scaling_of(const Moments& moments, bool centred, const std::string& where) {
  const int64_t f = moments.width();
  PRUNENET_CHECK(moments.second.cols() == f && (!centred || static_cast<int64_t>(moments.mean.size()) == f));
  Scaling scaling;
  scaling.scale.resize(static_cast<size_t>(f));
  scaling.mean.resize(static_cast<size_t>(f));
  for (int64_t i = 0; i < f; ++i) {
    const auto at = static_cast<size_t>(i);
    const double second = static_cast<double>(moments.second(i, i)), mean = centred ? moments.mean[at] : 0;
    if (!std::isfinite(second) || !std::isfinite(mean)) {
      fail(ErrorCode::kNonFinite, where, "the moments of input {} are not finite", i);
    }
    const double variance = second - mean * mean;
    // Below the least normal f32 number what is stored has lost its digits: no energy.
    const bool dead =
        second < static_cast<double>(std::numeric_limits<float>::min()) || variance <= kConstantInput * second;
    scaling.scale[at] = dead ? 0 : std::sqrt(variance);
    scaling.mean[at] = mean;
  }
  return scaling;
}

template <typename Real>
void fill_scaled_moments(const Moments& moments, const Scaling& scaling, std::span<const int64_t> order,
                         Block<Real> out, const std::string& where) {
  const auto n = static_cast<int64_t>(order.size());
  PRUNENET_CHECK(out.rows == n && out.cols == n);
  std::vector<double> inverse(order.size()), mean(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    inverse[i] = 1 / scaling.scale[static_cast<size_t>(order[i])];
    mean[i] = scaling.mean[static_cast<size_t>(order[i])];
  }
  const Matrix<float>& second = moments.second;
  std::atomic<bool> finite = true;
#pragma omp parallel for schedule(dynamic, 16) num_threads(num_threads()) if (n * n > kParallelFrom)
  for (int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<size_t>(i);
    Real* const values = out.row(i);
    double sum = 0;
    for (auto j = row; j < order.size(); ++j) {
      const int64_t a = std::min(order[row], order[j]), b = std::max(order[row], order[j]);
      const double value =
          (static_cast<double>(second.data()[a * second.cols() + b]) - mean[row] * mean[j]) * inverse[row] * inverse[j];
      values[j] = static_cast<Real>(value);
      sum += value;
    }
    values[i] = 1;
    if (!std::isfinite(sum)) finite = false;
  }
  if (!finite) fail(ErrorCode::kNonFinite, where, "the second moments hold NaN or infinity");
}

template <typename Real>
Matrix<Real> scaled_columns(const Matrix<float>& w, const Scaling& scaling, std::span<const int64_t> order,
                            const std::string& where) {
  Matrix<Real> out(w.rows(), static_cast<int64_t>(order.size()));
  std::atomic<bool> finite = true;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (w.size() > kParallelFrom)
  for (int64_t i = 0; i < w.rows(); ++i) {
    double sum = 0;
    for (size_t j = 0; j < order.size(); ++j) {
      const double value =
          static_cast<double>(w.data()[i * w.cols() + order[j]]) * scaling.scale[static_cast<size_t>(order[j])];
      out.data()[i * out.cols() + static_cast<int64_t>(j)] = static_cast<Real>(value);
      sum += static_cast<double>(static_cast<Real>(value));
    }
    if (!std::isfinite(sum)) finite = false;
  }
  if (!finite) fail(ErrorCode::kNonFinite, where, "the weights hold NaN or infinity, or leave the range of f32");
  return out;
}

#define PRUNENET_INSTANTIATE(Real)                                                                               \
  template void fill_scaled_moments<Real>(const Moments&, const Scaling&, std::span<const int64_t>, Block<Real>, \
                                          const std::string&);                                                   \
  template Matrix<Real> scaled_columns<Real>(const Matrix<float>&, const Scaling&, std::span<const int64_t>,     \
                                             const std::string&);
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
