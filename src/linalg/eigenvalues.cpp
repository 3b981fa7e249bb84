// Tridiagonalisation on fixed tiles, and the LAPACK calls for what comes after it.
#include "linalg/eigenvalues.h"

#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/blas.h"
#include "linalg/parallel.h"
#include "linalg/symv.h"

namespace prunenet {
namespace {

constexpr int64_t kPanel = 32;       // columns reduced before the trailing matrix is updated
constexpr int64_t kSymvRows = 64;    // rows of one symv tile
constexpr int64_t kUpdateTile = 256; // side of one tile of the trailing update
constexpr int64_t kChunk = 512;      // elements of one chunk of a vector operation
constexpr int64_t kParallelFrom = 384;

int sterf(int n, float* d, float* e) { return LAPACKE_ssterf(n, d, e); }
int sterf(int n, double* d, double* e) { return LAPACKE_dsterf(n, d, e); }
// Of A [m, n] row-major, which LAPACK reads as A^T [n, m]: the values are the same and nothing is copied.
int gesdd(int m, int n, float* a, float* s) {
  return LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'N', n, m, a, n, s, nullptr, 1, nullptr, 1);
}
int gesdd(int m, int n, double* a, double* s) {
  return LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', n, m, a, n, s, nullptr, 1, nullptr, 1);
}

// A tail shorter than this is left out. Beside a largest entry near 1 it moves no eigenvalue by more than its length, and
// below it squares and reciprocals of its entries would leave the range, so that the reflector would be none.
constexpr double kNegligible = 1e-30;

// x becomes the Householder vector v (v[0] = 1); returns tau and sets beta, so that (I - tau v v^T) x = beta e_1.
template <typename Real>
Real make_reflector(int64_t n, Real* x, Real& beta) {
  double squares = 0;
  for (int64_t i = 1; i < n; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const Real alpha = x[0];
  const Real tail = static_cast<Real>(std::sqrt(squares));
  x[0] = 1;
  if (tail < Real(kNegligible)) {
    beta = alpha;
    return 0;
  }
  beta = -std::copysign(std::hypot(alpha, tail), alpha);
  const Real scale = 1 / (alpha - beta);
  for (int64_t i = 1; i < n; ++i) x[i] *= scale;
  return (beta - alpha) / beta;
}

// Reduces the upper triangle of a symmetric matrix to tridiagonal form, values only.
template <typename Real>
class Tridiagonaliser {
 public:
  explicit Tridiagonaliser(Matrix<Real>& a) : a_(a), n_(a.rows()), v_(kPanel, n_), w_(kPanel, n_), dots_(n_), diagonal_(n_), off_(n_) {
    tile_z_.resize(static_cast<size_t>((n_ + kSymvRows - 1) / kSymvRows));
  }

  void run() {
    for (int64_t start = 0; start < n_; start += kPanel) {
      const int64_t count = std::min(kPanel, n_ - start);
      reduce_panel(start, count);
      if (start + count < n_) update_trailing(start + count, count);
    }
  }
  Vector<Real>& diagonal() { return diagonal_; }
  Vector<Real>& off_diagonal() { return off_; }

 private:
  // Rows of v_ and w_ are the panel's vectors; entry j belongs to row j of the matrix.
  void reduce_panel(int64_t start, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = start + i;
      Real* row = a_.data() + c * n_;
      // Bring row c up to date with the panel's earlier reflectors.
      for (int64_t p = 0; p < i; ++p) {
        const Real vc = v_(p, c), wc = w_(p, c);
        const Real* vp = v_.data() + p * n_;
        const Real* wp = w_.data() + p * n_;
        for (int64_t j = c; j < n_; ++j) row[j] -= vp[j] * wc + wp[j] * vc;
      }
      diagonal_[c] = row[c];
      if (c + 1 == n_) return;
      const int64_t rest = c + 1, length = n_ - rest;
      Real* v = v_.data() + i * n_;
      std::copy(row + rest, row + n_, v + rest);
      const Real tau = make_reflector(length, v + rest, off_[c]);
      Real* w = w_.data() + i * n_;
      std::fill(v, v + rest, Real{0});
      std::fill(w, w + n_, Real{0});
      if (tau == 0) {  // nothing to reflect: the vectors of this step do nothing
        std::fill(v, v + n_, Real{0});
        continue;
      }
      apply(rest, i, v, w);
      for (int64_t j = rest; j < n_; ++j) w[j] *= tau;
      const Real alpha = Real(-0.5) * tau * blas::dot(length, w + rest, v + rest);
      for (int64_t j = rest; j < n_; ++j) w[j] += alpha * v[j];
    }
  }

  // w = (A - V W^T - W V^T) v on [rest, n), with the first `panel` vectors of the panel.
  void apply(int64_t rest, int64_t panel, const Real* v, Real* w) {
    const int64_t order = n_ - rest;
    const int64_t tiles = (order + kSymvRows - 1) / kSymvRows;
    const int64_t chunks = (order + kChunk - 1) / kChunk;
    Real along_v[kPanel], along_w[kPanel];
#pragma omp parallel num_threads(num_threads()) if (order > kParallelFrom)
    {
#pragma omp for schedule(dynamic, 1) nowait
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t first = rest + t * kSymvRows, last = std::min(first + kSymvRows, n_);
        auto& z = tile_z_[static_cast<size_t>(t)];
        z.resize(static_cast<size_t>(n_ - first));
        kernel::symv_rows(a_.data(), n_, n_, first, last, v, dots_.data(), z.data());
      }
#pragma omp for schedule(static)
      for (int64_t p = 0; p < panel; ++p) {
        along_v[p] = blas::dot(order, v_.data() + p * n_ + rest, v + rest);
        along_w[p] = blas::dot(order, w_.data() + p * n_ + rest, v + rest);
      }
#pragma omp for schedule(static)
      for (int64_t k = 0; k < chunks; ++k) {
        const int64_t first = rest + k * kChunk, last = std::min(first + kChunk, n_);
        std::copy(dots_.data() + first, dots_.data() + last, w + first);
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t origin = rest + t * kSymvRows;
          if (origin >= last) break;
          const Real* z = tile_z_[static_cast<size_t>(t)].data() - origin;
          for (int64_t j = std::max(first, origin); j < last; ++j) w[j] += z[j];
        }
        for (int64_t p = 0; p < panel; ++p) {
          const Real* vp = v_.data() + p * n_;
          const Real* wp = w_.data() + p * n_;
          for (int64_t j = first; j < last; ++j) w[j] -= vp[j] * along_w[p] + wp[j] * along_v[p];
        }
      }
    }
  }

  // A -= V W^T + W V^T on the trailing upper triangle, as one product of depth 2 count for each tile.
  void update_trailing(int64_t rest, int64_t count) {
    const int64_t order = n_ - rest;
    Matrix<Real> left(2 * count, order), right(2 * count, order);
    left.topRows(count) = v_.block(0, rest, count, order);
    left.bottomRows(count) = w_.block(0, rest, count, order);
    right.topRows(count) = left.bottomRows(count);
    right.bottomRows(count) = left.topRows(count);
    const int64_t side = (order + kUpdateTile - 1) / kUpdateTile;
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads()) if (order > kParallelFrom)
    for (int64_t t = 0; t < side * side; ++t) {
      const int64_t row = t / side * kUpdateTile, col = t % side * kUpdateTile;
      if (col < row) continue;
      blas::gemm(true, false, std::min(kUpdateTile, order - row), std::min(kUpdateTile, order - col), 2 * count, Real{-1},
                 left.data() + row, order, right.data() + col, order, Real{1},
                 a_.data() + (rest + row) * n_ + rest + col, n_);
    }
  }

  Matrix<Real>& a_;
  int64_t n_;
  Matrix<Real> v_, w_;
  Vector<Real> dots_, diagonal_, off_;
  std::vector<std::vector<Real>> tile_z_;
};

// The power of two that the largest entry of the upper triangle is to be divided by, to bring it near 1: into [1/2, 1),
// or as far as a finite reciprocal allows. 0 for a zero matrix, NaN where an entry is not finite.
template <typename Real>
Real scale_of(const Matrix<Real>& a) {
  using Limits = std::numeric_limits<Real>;
  Real largest = 0;
  for (int64_t i = 0; i < a.rows(); ++i) {
    for (int64_t j = i; j < a.cols(); ++j) {
      const Real size = std::abs(a(i, j));
      if (!(size <= Limits::max())) return Limits::quiet_NaN();
      largest = std::max(largest, size);
    }
  }
  if (largest == 0) return 0;
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(Real{1}, std::clamp(exponent, Limits::min_exponent, Limits::max_exponent - 1));
}

}  // namespace

template <typename Real>
Eigenvalues symmetric_eigenvalues(Matrix<Real>& a) {
  Eigenvalues result;
  const int64_t n = a.rows();
  const Real scale = scale_of(a);
  if (scale == 0 || !std::isfinite(scale)) {
    result.values.assign(static_cast<size_t>(n), 0.0);
    result.converged = scale == 0;
    return result;
  }
  a *= 1 / scale;
  const SerialBlas serial;
  Tridiagonaliser<Real> tridiagonaliser(a);
  tridiagonaliser.run();
  Vector<Real>& values = tridiagonaliser.diagonal();
  result.converged = sterf(blas::narrow(n), values.data(), tridiagonaliser.off_diagonal().data()) == 0;
  for (int64_t i = 0; i < n; ++i) result.values.push_back(static_cast<double>(values[i]) * static_cast<double>(scale));
  return result;
}

template <typename Real>
SingularValues singular_values_direct(Matrix<Real>& a) {
  SingularValues result;
  const SerialBlas serial;
  Vector<Real> values(std::min(a.rows(), a.cols()));
  if (values.size() == 0) return result;
  values.setZero();
  result.converged = a.allFinite() && gesdd(blas::narrow(a.rows()), blas::narrow(a.cols()), a.data(), values.data()) == 0;
  result.values.assign(values.begin(), values.end());
  return result;
}

template Eigenvalues symmetric_eigenvalues<float>(Matrix<float>&);
template Eigenvalues symmetric_eigenvalues<double>(Matrix<double>&);
template SingularValues singular_values_direct<float>(Matrix<float>&);
template SingularValues singular_values_direct<double>(Matrix<double>&);

}  // namespace prunenet
