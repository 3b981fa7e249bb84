// Cholesky, its solves and the block sweep.
#include "linalg/cholesky.h"

#include <lapacke.h>

#include <algorithm>

#include "base/error.h"
#include "linalg/blas.h"
#include "linalg/parallel.h"
#include "linalg/product.h"
#include "linalg/tiles.h"

namespace prunenet {
namespace {

int64_t panel_of(int64_t n) {
  return n >= 2048 ? 256 : 64;
}

// LAPACK sees a row-major upper triangle as a column-major lower one.
lapack_int potrf(int64_t n, float* a, int64_t lda) {
  return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', blas::narrow(n), a, blas::narrow(lda));
}
lapack_int potrf(int64_t n, double* a, int64_t lda) {
  return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', blas::narrow(n), a, blas::narrow(lda));
}
lapack_int potri(int64_t n, float* a, int64_t lda) {
  return LAPACKE_spotri_work(LAPACK_COL_MAJOR, 'L', blas::narrow(n), a, blas::narrow(lda));
}
lapack_int potri(int64_t n, double* a, int64_t lda) {
  return LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'L', blas::narrow(n), a, blas::narrow(lda));
}

template <typename Real>
bool diagonal_is_positive(Block<const Real> a) {
  for (int64_t i = 0; i < a.rows; ++i) {
    if (!(a.row(i)[i] > 0)) return false;  // NaN too
  }
  return true;
}

// Inverse of a small symmetric positive definite matrix, both triangles.
template <typename Real>
bool invert_square(Block<const Real> a, Matrix<Real>& inverse) {
  const int64_t n = a.rows;
  inverse.resize(n, n);
  for (int64_t i = 0; i < n; ++i) std::copy(a.row(i) + i, a.row(i) + n, inverse.data() + i * n + i);
  if (!diagonal_is_positive(as_const(block_of(inverse))) || potrf(n, inverse.data(), n) != 0 ||
      potri(n, inverse.data(), n) != 0 || !diagonal_is_positive(as_const(block_of(inverse)))) {
    return false;
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) inverse(i, j) = inverse(j, i);
  }
  return true;
}

}  // namespace

template <typename Real>
bool cholesky(Block<Real> a) {
  const int64_t n = a.rows, panel = panel_of(n);
  PRUNENET_CHECK(a.cols == n);
  const SerialBlas serial;
  for (int64_t k = 0; k < n; k += panel) {
    const int64_t b = std::min(panel, n - k), rest = n - k - b;
    Real* const diagonal = a.row(k) + k;
    if (!diagonal_is_positive(as_const(a.part(k, b, k, b))) || potrf(b, diagonal, a.stride) != 0) return false;
    if (rest == 0) break;
    const int64_t wide = tile_of(n);
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (b * b * rest > kParallelFromOperations)
    for (int64_t col = k + b; col < n; col += wide) {
      blas::solve_upper(false, true, b, std::min(wide, n - col), diagonal, a.stride, a.row(k) + col, a.stride);
    }
    const Block<const Real> row = as_const(a.part(k, b, k + b, rest));
    symmetric_product<Real>(-1, row, row, 1, a.part(k + b, rest, k + b, rest));
  }
  return true;
}

template <typename Real>
void solve_with_cholesky(Block<const Real> u, Block<Real> x) {
  const int64_t high = std::min<int64_t>(256, tile_of(x.rows));
  PRUNENET_CHECK(u.rows == u.cols && x.cols == u.cols);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) \
    num_threads(num_threads()) if (x.rows * u.cols * u.cols > kParallelFromOperations)
  for (int64_t row = 0; row < x.rows; row += high) {
    const int64_t rows = std::min(high, x.rows - row);
    blas::solve_upper(true, false, rows, u.cols, u.data, u.stride, x.row(row), x.stride);
    blas::solve_upper(true, true, rows, u.cols, u.data, u.stride, x.row(row), x.stride);
  }
}

// The sweep of a block k of a symmetric matrix: with P = a_kk^-1, a_ij -= a_ik P a_kj, a_kj = P a_kj, a_kk = -P.
// After all blocks the matrix is minus its inverse. Before its own sweep a_kk is the Schur complement of the earlier
// blocks, as in Cholesky.
template <typename Real>
bool invert_positive_definite(Block<Real> a) {
  const int64_t n = a.rows, panel = panel_of(n);
  PRUNENET_CHECK(a.cols == n);
  Matrix<Real> row(panel, n), scaled(panel, n), pivot;
  const SerialBlas serial;
  for (int64_t k = 0; k < n; k += panel) {
    const int64_t b = std::min(panel, n - k);
    if (!invert_square(as_const(a.part(k, b, k, b)), pivot)) return false;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (b * n > kParallelFromOperations)
    for (int64_t i = 0; i < n; ++i) {  // the whole row of blocks: its left part is stored as a column
      for (int64_t p = 0; p < b; ++p) row(p, i) = i < k ? a.row(i)[k + p] : i < k + b ? Real{0} : a.row(k + p)[i];
    }
    const Block<const Real> own = as_const(block_of(row).part(0, b, 0, n));
    const Block<Real> times_pivot = block_of(scaled).part(0, b, 0, n);
    product<Real>(Transpose::kNo, Transpose::kNo, 1, as_const(block_of(pivot)), own, 0, times_pivot);
    symmetric_product<Real>(-1, own, as_const(times_pivot), 1, a);  // the zeros of `row` leave block k itself alone
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (b * k > kParallelFromOperations)
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t p = 0; p < b; ++p) a.row(i)[k + p] = scaled(p, i);
    }
    for (int64_t p = 0; p < b; ++p) {
      for (int64_t q = p; q < b; ++q) a.row(k + p)[k + q] = -pivot(p, q);
      std::copy(scaled.data() + p * n + k + b, scaled.data() + (p + 1) * n, a.row(k + p) + k + b);
    }
  }
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i; j < n; ++j) a.row(i)[j] = -a.row(i)[j];
    finite = finite && a.row(i)[i] > 0;
  }
  return finite;
}

#define PRUNENET_INSTANTIATE(Real)                                         \
  template bool cholesky<Real>(Block<Real>);                               \
  template void solve_with_cholesky<Real>(Block<const Real>, Block<Real>); \
  template bool invert_positive_definite<Real>(Block<Real>);
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
