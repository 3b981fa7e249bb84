// Lanczos with full reorthogonalisation, sixteen vectors at a time.
#include "spectrum/lanczos.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace prunenet {
namespace {

// z -= sum over k of basis[k] coefficient[k], column by column; returns the coefficients <basis[k], z> [k, 16].
template <typename Real>
Matrix<double> project_out(const std::vector<Matrix<Real>>& basis, Matrix<Real>& z) {
  const Matrix<double> coefficients = thin_inner_products<Real>(basis, z);
  subtract_thin<Real>(basis, coefficients.template cast<Real>(), z);
  return coefficients;
}

}  // namespace

template <typename Real>
LanczosRuns lanczos(const ThinProduct<Real>& multiply, const Matrix<Real>& start, int64_t steps) {
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
    const Matrix<double> squares = thin_inner_products<Real>({&z, 1}, z);
    Vector<Real> scale(kThinVectors);
    for (int64_t v = 0; v < kThinVectors; ++v) {
      auto& length = runs.lengths[static_cast<size_t>(v)];
      const double norm = std::sqrt(squares(0, v));
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

template LanczosRuns lanczos<float>(const ThinProduct<float>&, const Matrix<float>&, int64_t);
template LanczosRuns lanczos<double>(const ThinProduct<double>&, const Matrix<double>&, int64_t);

}  // namespace prunenet
