// Products over fixed tiles.
#include "linalg/product.h"

#include <numeric>

#include "base/error.h"
#include "linalg/blas.h"
#include "linalg/parallel.h"
#include "linalg/tiles.h"

namespace prunenet {
namespace {

double sum_in_order(const std::vector<double>& parts) {
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

// The tile [rows, cols] at (row, col) of a symmetric matrix of which the upper triangle is stored.
template <typename Real>
void copy_symmetric_tile(Block<const Real> s, const Tile& tile, Real* out) {
  if (tile.row > tile.col) {  // below the diagonal: the mirrored tile, transposed in squares that fit the cache
    constexpr int64_t kSquare = 32;
    for (int64_t i0 = 0; i0 < tile.rows; i0 += kSquare) {
      for (int64_t j0 = 0; j0 < tile.cols; j0 += kSquare) {
        for (int64_t j = j0; j < std::min(j0 + kSquare, tile.cols); ++j) {
          const Real* source = s.row(tile.col + j) + tile.row;
          for (int64_t i = i0; i < std::min(i0 + kSquare, tile.rows); ++i) out[i * tile.cols + j] = source[i];
        }
      }
    }
    return;
  }
  for (int64_t i = 0; i < tile.rows; ++i) {
    const Real* source = s.row(tile.row + i) + tile.col;
    const int64_t first = tile.row == tile.col ? i : 0;
    for (int64_t j = first; j < tile.cols; ++j) out[i * tile.cols + j] = source[j];
    for (int64_t j = 0; j < first; ++j) out[i * tile.cols + j] = out[j * tile.cols + i];
  }
}

}  // namespace

template <typename Real>
void product(Transpose transpose_a, Transpose transpose_b, Real alpha, Block<const Real> a, Block<const Real> b,
             Real beta, Block<Real> c) {
  const bool ta = transpose_a == Transpose::kYes, tb = transpose_b == Transpose::kYes;
  const int64_t k = ta ? a.rows : a.cols;
  PRUNENET_CHECK((ta ? a.cols : a.rows) == c.rows && (tb ? b.rows : b.cols) == c.cols && (tb ? b.cols : b.rows) == k);
  const std::vector<Tile> tiles = all_tiles(c.rows, c.cols);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (c.rows * c.cols * k > kParallelFromOperations)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    blas::gemm(ta, tb, tile.rows, tile.cols, k, alpha, ta ? a.data + tile.row : a.row(tile.row), a.stride,
               tb ? b.row(tile.col) : b.data + tile.col, b.stride, beta, c.row(tile.row) + tile.col, c.stride);
  }
}

template <typename Real>
void symmetric_product(Real alpha, Block<const Real> a, Block<const Real> b, Real beta, Block<Real> c) {
  PRUNENET_CHECK(a.rows == b.rows && a.cols == c.rows && b.cols == c.cols && c.rows == c.cols);
  const std::vector<Tile> tiles = upper_tiles(c.cols);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) \
    num_threads(num_threads()) if (c.rows * c.cols * a.rows > kParallelFromOperations)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    blas::gemm(true, false, tile.rows, tile.cols, a.rows, alpha, a.data + tile.row, a.stride, b.data + tile.col,
               b.stride, beta, c.row(tile.row) + tile.col, c.stride);
  }
}

template <typename Real>
void subtract_product_with_symmetric(Block<const Real> x, Block<const Real> s, Block<Real> out) {
  const int64_t n = s.cols, size = tile_of(n);
  PRUNENET_CHECK(x.cols == n && s.rows == n && out.rows == x.rows && out.cols == n);
  const std::vector<Tile> tiles = all_tiles(x.rows, n);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (x.rows * n * n > kParallelFromOperations)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    Matrix<Real> right(size, tile.cols);
    for (int64_t k = 0; k < n; k += size) {
      const int64_t depth = std::min(size, n - k);
      copy_symmetric_tile(s, {k, depth, tile.col, tile.cols}, right.data());
      blas::gemm(false, false, tile.rows, tile.cols, depth, Real{-1}, x.row(tile.row) + k, x.stride, right.data(),
                 tile.cols, Real{1}, out.row(tile.row) + tile.col, out.stride);
    }
  }
}

template <typename Real>
double quadratic_trace(Block<const Real> x, Block<const Real> s) {
  const int64_t n = s.cols;
  PRUNENET_CHECK(x.cols == n && s.rows == n);
  const std::vector<Tile> tiles = all_tiles(x.rows, n);
  std::vector<double> parts(tiles.size());
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (x.rows * n * n > kParallelFromOperations)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    // Columns of the tile: twice what lies above the diagonal square, and the square itself.
    Matrix<Real> square(tile.cols, tile.cols), sum(tile.rows, tile.cols);
    copy_symmetric_tile(s, {tile.col, tile.cols, tile.col, tile.cols}, square.data());
    blas::gemm(false, false, tile.rows, tile.cols, tile.cols, Real{1}, x.row(tile.row) + tile.col, x.stride,
               square.data(), tile.cols, Real{0}, sum.data(), tile.cols);
    if (tile.col > 0) {
      blas::gemm(false, false, tile.rows, tile.cols, tile.col, Real{2}, x.row(tile.row), x.stride, s.data + tile.col,
                 s.stride, Real{1}, sum.data(), tile.cols);
    }
    double part = 0;
    for (int64_t i = 0; i < tile.rows; ++i) {
      const Real* values = x.row(tile.row + i) + tile.col;
      for (int64_t j = 0; j < tile.cols; ++j) part += static_cast<double>(values[j]) * static_cast<double>(sum(i, j));
    }
    parts[t] = part;
  }
  return sum_in_order(parts);
}

template <typename Real>
double inner_product(Block<const Real> x, Block<const Real> y) {
  PRUNENET_CHECK(x.rows == y.rows && x.cols == y.cols);
  std::vector<double> parts(static_cast<size_t>(x.rows));
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (x.rows * x.cols > kParallelFromOperations)
  for (int64_t i = 0; i < x.rows; ++i) {
    double part = 0;
    for (int64_t j = 0; j < x.cols; ++j) part += static_cast<double>(x.row(i)[j]) * static_cast<double>(y.row(i)[j]);
    parts[static_cast<size_t>(i)] = part;
  }
  return sum_in_order(parts);
}

#define PRUNENET_INSTANTIATE(Real)                                                                                  \
  template void product<Real>(Transpose, Transpose, Real, Block<const Real>, Block<const Real>, Real, Block<Real>); \
  template void symmetric_product<Real>(Real, Block<const Real>, Block<const Real>, Real, Block<Real>);             \
  template void subtract_product_with_symmetric<Real>(Block<const Real>, Block<const Real>, Block<Real>);           \
  template double quadratic_trace<Real>(Block<const Real>, Block<const Real>);                                      \
  template double inner_product<Real>(Block<const Real>, Block<const Real>);
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
