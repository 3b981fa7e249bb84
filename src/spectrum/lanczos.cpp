// Lanczos with full reorthogonalisation, sixteen vectors at a time.
#include "spectrum/lanczos.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "linalg/parallel.h"

namespace prunenet {
namespace {

constexpr int64_t kChunk = 512;  // rows of one piece of a sum

// z -= sum over k of basis[k] coefficient[k], column by column; returns the coefficients <basis[k], z> [k, 16].
template <typename Real>
Matrix<double> project_out(const std::vector<Matrix<Real>>& basis, Matrix<Real>& z) {
  const auto vectors = static_cast<int64_t>(basis.size());
  const int64_t n = z.rows(), chunks = (n + kChunk - 1) / kChunk;
  std::vector<Matrix<Real>> parts(static_cast<size_t>(chunks));
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * vectors > 4096)
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t first = c * kChunk, count = std::min(kChunk, n - first);
    auto& part = parts[static_cast<size_t>(c)];
    part.setZero(vectors, kThinVectors);
    for (int64_t k = 0; k < vectors; ++k) {
      const Real* q = basis[static_cast<size_t>(k)].data();
      const Real* values = z.data();
      Real sum[kThinVectors] = {};
      for (int64_t i = first * kThinVectors; i < (first + count) * kThinVectors; i += kThinVectors) {
        for (int64_t v = 0; v < kThinVectors; ++v) sum[v] += q[i + v] * values[i + v];
      }
      std::copy(sum, sum + kThinVectors, part.data() + k * kThinVectors);
    }
  }
  Matrix<double> sums = Matrix<double>::Zero(vectors, kThinVectors);
  for (const auto& part : parts) sums += part.template cast<double>();
  const Matrix<Real> coefficients = sums.template cast<Real>();
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * vectors > 4096)
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t first = c * kChunk, last = std::min(first + kChunk, n);
    for (int64_t k = 0; k < vectors; ++k) {
      const Real* coefficient = coefficients.data() + k * kThinVectors;
      const Real* q = basis[static_cast<size_t>(k)].data();
      Real* values = z.data();
      for (int64_t i = first * kThinVectors; i < last * kThinVectors; i += kThinVectors) {
        for (int64_t v = 0; v < kThinVectors; ++v) values[i + v] -= q[i + v] * coefficient[v];
      }
    }
  }
  return sums;
}

}  // namespace

template <typename Real>
LanczosRuns lanczos(const std::function<void(const Matrix<Real>& x, Matrix<Real>& y)>& multiply, const Matrix<Real>& start,
                    int64_t steps) {
  PRUNENET_CHECK(start.cols() == kThinVectors && steps >= 1);
  LanczosRuns runs{Matrix<double>::Zero(steps, kThinVectors), Matrix<double>::Zero(steps, kThinVectors),
                   std::vector<int64_t>(static_cast<size_t>(kThinVectors), steps)};
  std::vector<Matrix<Real>> basis{start};
  Matrix<Real> z(start.rows(), kThinVectors);
  double largest = 0;  // of the diagonals so far: what a negligible rest is small beside
  for (int64_t k = 0; k < steps; ++k) {
    multiply(basis.back(), z);
    runs.diagonal.row(k) = project_out(basis, z).row(k);
    runs.diagonal.row(k) += project_out(basis, z).row(k);
    largest = std::max(largest, runs.diagonal.row(k).cwiseAbs().maxCoeff());
    const Vector<double> squares = thin_inner_products(z, z);
    Vector<Real> scale(kThinVectors);
    for (int64_t v = 0; v < kThinVectors; ++v) {
      auto& length = runs.lengths[static_cast<size_t>(v)];
      const double norm = std::sqrt(squares[v]);
      const bool goes_on = length == steps && norm > 16 * std::numeric_limits<Real>::epsilon() * largest;
      if (!goes_on) length = std::min(length, k + 1);
      runs.off_diagonal(k, v) = goes_on ? norm : 0;
      scale[v] = goes_on ? static_cast<Real>(1 / norm) : Real{0};
    }
    if (k + 1 < steps) {
      z.array().rowwise() *= scale.transpose().array();
      basis.push_back(z);
    }
  }
  return runs;
}

template LanczosRuns lanczos<float>(const std::function<void(const Matrix<float>&, Matrix<float>&)>&, const Matrix<float>&,
                                    int64_t);
template LanczosRuns lanczos<double>(const std::function<void(const Matrix<double>&, Matrix<double>&)>&,
                                     const Matrix<double>&, int64_t);

}  // namespace prunenet
