// Thin products over fixed panels.
#include "linalg/thin.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "linalg/parallel.h"
#include "linalg/thin_kernels.h"

namespace prunenet {
namespace {

constexpr int64_t kTriangleRows = 256;  // of one panel of a symmetric matrix
constexpr int64_t kSumRows = 512;       // of one panel of a sum over rows
constexpr int64_t kMostGramPanels = 16;
constexpr int64_t kParallelFrom = 1 << 16;  // numbers read

int64_t panels_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

// y (+)= the sum of parts[k], each beginning at row origins[k], in their order.
template <typename Real>
void sum_parts(const std::vector<Matrix<Real>>& parts, const std::vector<int64_t>& origins, bool add, Matrix<Real>& y) {
  const int64_t n = y.rows(), chunks = panels_of(n, kSumRows);
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * kThinVectors * static_cast<int64_t>(parts.size()) > kParallelFrom)
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t first = c * kSumRows, last = std::min(first + kSumRows, n);
    if (!add) y.middleRows(first, last - first).setZero();
    for (size_t k = 0; k < parts.size(); ++k) {
      const int64_t from = std::max(first, origins[k]);
      if (from < last) y.middleRows(from, last - from) += parts[k].middleRows(from - origins[k], last - from);
    }
  }
}

}  // namespace

template <typename Real>
void multiply_symmetric_thin(Block<const Real> s, const Matrix<Real>& x, Matrix<Real>& y) {
  const int64_t n = s.cols, panels = panels_of(n, kTriangleRows);
  PRUNENET_CHECK(s.rows == n && x.rows() == n && x.cols() == kThinVectors && y.rows() == n && y.cols() == kThinVectors);
  std::vector<Matrix<Real>> parts(static_cast<size_t>(panels));
  std::vector<int64_t> origins(static_cast<size_t>(panels));
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads()) if (n * n > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * kTriangleRows, last = std::min(first + kTriangleRows, n);
    auto& part = parts[static_cast<size_t>(p)];
    part.resize(n - first, kThinVectors);
    origins[static_cast<size_t>(p)] = first;
    kernel::symmetric_rows_thin(s.data, s.stride, n, first, last, x.data(), part.data());
  }
  sum_parts(parts, origins, false, y);
}

template <typename Real>
void add_gram_product_thin(Block<const Real> a, std::span<const int64_t> rows, Real alpha, const Matrix<Real>& x,
                           Matrix<Real>& y) {
  const int64_t n = a.cols, count = static_cast<int64_t>(rows.size());
  PRUNENET_CHECK(x.rows() == n && x.cols() == kThinVectors && y.rows() == n && y.cols() == kThinVectors);
  if (count == 0) return;
  std::vector<const Real*> pointers;
  for (int64_t row : rows) {
    PRUNENET_CHECK(row >= 0 && row < a.rows);
    pointers.push_back(a.row(row));
  }
  const int64_t size = std::max<int64_t>(64, panels_of(count, kMostGramPanels)), panels = panels_of(count, size);
  std::vector<Matrix<Real>> parts(static_cast<size_t>(panels));
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads()) if (count * n > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * size;
    auto& part = parts[static_cast<size_t>(p)];
    part.setZero(n, kThinVectors);
    kernel::gram_rows_thin(pointers.data() + first, std::min(size, count - first), n, alpha, x.data(), part.data());
  }
  sum_parts(parts, std::vector<int64_t>(parts.size(), 0), true, y);
}

template <typename Real>
Matrix<double> thin_inner_products(std::span<const Matrix<Real>> xs, const Matrix<Real>& y) {
  const auto count = static_cast<int64_t>(xs.size());
  const int64_t n = y.rows(), panels = panels_of(n, kSumRows);
  PRUNENET_CHECK(y.cols() == kThinVectors);
  for (const auto& x : xs) PRUNENET_CHECK(x.rows() == n && x.cols() == kThinVectors);
  std::vector<Matrix<Real>> parts(static_cast<size_t>(panels));
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * kThinVectors * count > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * kSumRows, rows = std::min(kSumRows, n - first);
    auto& part = parts[static_cast<size_t>(p)];
    part.resize(count, kThinVectors);
    for (int64_t k = 0; k < count; ++k) {
      kernel::inner_products_thin(xs[static_cast<size_t>(k)].data() + first * kThinVectors, y.data() + first * kThinVectors,
                                  rows, part.data() + k * kThinVectors);
    }
  }
  Matrix<double> sums = Matrix<double>::Zero(count, kThinVectors);
  for (const auto& part : parts) sums += part.template cast<double>();
  return sums;
}

template <typename Real>
void subtract_thin(std::span<const Matrix<Real>> xs, const Matrix<Real>& factors, Matrix<Real>& y) {
  const auto count = static_cast<int64_t>(xs.size());
  const int64_t n = y.rows(), panels = panels_of(n, kSumRows);
  PRUNENET_CHECK(y.cols() == kThinVectors && factors.rows() == count && factors.cols() == kThinVectors);
  for (const auto& x : xs) PRUNENET_CHECK(x.rows() == n && x.cols() == kThinVectors);
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n * kThinVectors * count > kParallelFrom)
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p * kSumRows, rows = std::min(kSumRows, n - first);
    for (int64_t k = 0; k < count; ++k) {
      kernel::subtract_thin(xs[static_cast<size_t>(k)].data() + first * kThinVectors, factors.data() + k * kThinVectors, rows,
                            y.data() + first * kThinVectors);
    }
  }
}

#define PRUNENET_INSTANTIATE(Real)                                                                                       \
  template void multiply_symmetric_thin<Real>(Block<const Real>, const Matrix<Real>&, Matrix<Real>&);                    \
  template void add_gram_product_thin<Real>(Block<const Real>, std::span<const int64_t>, Real, const Matrix<Real>&,      \
                                            Matrix<Real>&);                                                              \
  template Matrix<double> thin_inner_products<Real>(std::span<const Matrix<Real>>, const Matrix<Real>&);                 \
  template void subtract_thin<Real>(std::span<const Matrix<Real>>, const Matrix<Real>&, Matrix<Real>&);
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
