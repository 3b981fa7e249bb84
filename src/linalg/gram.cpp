// Gram matrices and matrix-vector products over fixed tiles.
#include "linalg/gram.h"

#include <algorithm>
#include <vector>

#include "linalg/blas.h"
#include "linalg/parallel.h"
#include "linalg/tiles.h"

namespace prunenet {
namespace {

constexpr int64_t kParallelFrom = 1 << 16;  // below this many elements threads cost more than they bring

// Upper triangle of c = alpha a^T a + beta c.
template <typename Real>
void rank_update(const Matrix<Real>& a, Real alpha, Real beta, Matrix<Real>& c) {
  const int64_t n = a.cols(), m = a.rows();
  const std::vector<Tile> tiles = upper_tiles(n);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (n * m > kParallelFrom)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    blas::gemm(true, false, tile.rows, tile.cols, m, alpha, a.data() + tile.row, n, a.data() + tile.col, n, beta,
               c.data() + tile.row * n + tile.col, n);
  }
}

}  // namespace

template <typename Real>
Matrix<Real> gram_of_columns(const Matrix<Real>& a) {
  Matrix<Real> gram(a.cols(), a.cols());
  if (a.rows() == 0) return gram.setZero();
  rank_update<Real>(a, 1, 0, gram);
  return gram;
}

template <typename Real>
Matrix<Real> gram_of_rows(const Matrix<Real>& a) {
  const int64_t m = a.rows(), n = a.cols();
  Matrix<Real> gram(m, m);
  const std::vector<Tile> tiles = upper_tiles(m);
  const SerialBlas serial;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) if (n * m > kParallelFrom)
  for (size_t t = 0; t < tiles.size(); ++t) {
    const Tile& tile = tiles[t];
    blas::gemm(false, true, tile.rows, tile.cols, n, Real{1}, a.data() + tile.row * n, n, a.data() + tile.col * n, n, Real{0},
               gram.data() + tile.row * m + tile.col, m);
  }
  return gram;
}

template <typename Real>
void downdate_gram(const Matrix<Real>& rows, Matrix<Real>& gram) {
  if (rows.rows() > 0) rank_update<Real>(rows, -1, 1, gram);
}

template <typename Real>
Matrix<Real> gather_rows(const Matrix<Real>& a, std::span<const int64_t> indices) {
  Matrix<Real> rows(static_cast<int64_t>(indices.size()), a.cols());
  for (size_t i = 0; i < indices.size(); ++i) rows.row(static_cast<int64_t>(i)) = a.row(indices[i]);
  return rows;
}

namespace {
constexpr int64_t kPanelRows = 256;
}

template <typename Real>
Vector<Real> multiply(const Matrix<Real>& a, const Vector<Real>& x) {
  Vector<Real> y(a.rows());
  const int64_t panels = (a.rows() + kPanelRows - 1) / kPanelRows;
  const SerialBlas serial;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (a.size() > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * kPanelRows, count = std::min(kPanelRows, a.rows() - first);
    blas::gemv(false, count, a.cols(), Real{1}, a.data() + first * a.cols(), a.cols(), x.data(), Real{0}, y.data() + first);
  }
  return y;
}

template <typename Real>
Vector<Real> multiply_transposed(const Matrix<Real>& a, const Vector<Real>& x) {
  const int64_t panels = (a.rows() + kPanelRows - 1) / kPanelRows;
  Matrix<Real> partial(panels, a.cols());
  const SerialBlas serial;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (a.size() > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * kPanelRows, count = std::min(kPanelRows, a.rows() - first);
    blas::gemv(true, count, a.cols(), Real{1}, a.data() + first * a.cols(), a.cols(), x.data() + first, Real{0},
               partial.data() + p * a.cols());
  }
  Vector<Real> y = Vector<Real>::Zero(a.cols());
  for (int64_t p = 0; p < panels; ++p) y += partial.row(p).transpose();
  return y;
}

#define PRUNENET_INSTANTIATE(Real)                                                   \
  template Matrix<Real> gram_of_columns<Real>(const Matrix<Real>&);                  \
  template Matrix<Real> gram_of_rows<Real>(const Matrix<Real>&);                     \
  template void downdate_gram<Real>(const Matrix<Real>&, Matrix<Real>&);             \
  template Matrix<Real> gather_rows<Real>(const Matrix<Real>&, std::span<const int64_t>); \
  template Vector<Real> multiply<Real>(const Matrix<Real>&, const Vector<Real>&);    \
  template Vector<Real> multiply_transposed<Real>(const Matrix<Real>&, const Vector<Real>&);
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
