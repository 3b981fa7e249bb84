// Sixteen vectors side by side fill vector registers whatever their width: every matrix entry is spread over one.
#include "linalg/thin_kernels.h"

#include <algorithm>

#include "linalg/clones.h"

namespace prunenet::kernel {
namespace {

constexpr int64_t kVectors = 16;
constexpr int kRows = 8;  // rows at a time: their sums stay in registers

template <typename Real>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Type __attribute__((vector_size(64), aligned(4), may_alias));
  static constexpr int kCount = 1;
};
template <>
struct Lanes<double> {
  typedef double Type __attribute__((vector_size(64), aligned(8), may_alias));
  static constexpr int kCount = 2;
};

// `Rows` rows of the triangle from row i on, against the columns j >= i.
template <typename Real, int Rows>
inline __attribute__((always_inline)) void symmetric_group(const Real* a, int64_t lda, int64_t n, int64_t i, const Real* x,
                                                           Real* z) {
  using V = typename Lanes<Real>::Type;
  constexpr int kParts = Lanes<Real>::kCount;
  constexpr int64_t kWidth = kVectors / kParts;
  const Real* row[Rows];
  for (int r = 0; r < Rows; ++r) row[r] = a + (i + r) * lda;
  for (int part = 0; part < kParts; ++part) {
    const auto at = [&](const Real* base, int64_t j) -> const V& {
      return *reinterpret_cast<const V*>(base + j * kVectors + part * kWidth);
    };
    const auto out = [&](int64_t j) -> V& { return *reinterpret_cast<V*>(z + j * kVectors + part * kWidth); };
    V sum[Rows], own[Rows];
    for (int r = 0; r < Rows; ++r) {
      own[r] = at(x, i + r);
      sum[r] = own[r] * row[r][i + r];
    }
    for (int r = 0; r < Rows; ++r) {
      for (int c = r + 1; c < Rows; ++c) {
        sum[r] += own[c] * row[r][i + c];
        sum[c] += own[r] * row[r][i + c];
      }
    }
    for (int64_t j = i + Rows; j < n; ++j) {
      const V xj = at(x, j);
      V zj = out(j);
      for (int r = 0; r < Rows; ++r) {
        const Real value = row[r][j];
        sum[r] += xj * value;
        zj += own[r] * value;
      }
      out(j) = zj;
    }
    for (int r = 0; r < Rows; ++r) out(i + r) += sum[r];
  }
}

template <typename Real>
inline __attribute__((always_inline)) void symmetric_rows_of(const Real* a, int64_t lda, int64_t n, int64_t first,
                                                             int64_t last, const Real* x, Real* z) {
  std::fill(z, z + (n - first) * kVectors, Real{0});
  Real* from_zero = z - first * kVectors;
  int64_t i = first;
  for (; i + kRows <= last; i += kRows) symmetric_group<Real, kRows>(a, lda, n, i, x, from_zero);
  for (; i < last; ++i) symmetric_group<Real, 1>(a, lda, n, i, x, from_zero);
}

template <typename Real, int Rows>
inline __attribute__((always_inline)) void gram_group(const Real* const* row, int64_t n, Real alpha, const Real* x, Real* z) {
  using V = typename Lanes<Real>::Type;
  constexpr int kParts = Lanes<Real>::kCount;
  constexpr int64_t kWidth = kVectors / kParts;
  for (int part = 0; part < kParts; ++part) {
    V sum[Rows] = {};
    for (int64_t j = 0; j < n; ++j) {
      const V xj = *reinterpret_cast<const V*>(x + j * kVectors + part * kWidth);
      for (int r = 0; r < Rows; ++r) sum[r] += xj * row[r][j];
    }
    for (int r = 0; r < Rows; ++r) sum[r] *= alpha;
    for (int64_t j = 0; j < n; ++j) {
      V& zj = *reinterpret_cast<V*>(z + j * kVectors + part * kWidth);
      V value = zj;
      for (int r = 0; r < Rows; ++r) value += sum[r] * row[r][j];
      zj = value;
    }
  }
}

template <typename Real>
inline __attribute__((always_inline)) void gram_rows_of(const Real* const* rows, int64_t count, int64_t n, Real alpha,
                                                        const Real* x, Real* z) {
  int64_t i = 0;
  for (; i + kRows <= count; i += kRows) gram_group<Real, kRows>(rows + i, n, alpha, x, z);
  for (; i < count; ++i) gram_group<Real, 1>(rows + i, n, alpha, x, z);
}

template <typename Real>
inline __attribute__((always_inline)) void inner_products_of(const Real* x, const Real* y, int64_t count, Real* sums) {
  Real sum[kVectors] = {};
  for (int64_t i = 0; i < count * kVectors; i += kVectors) {
    for (int64_t v = 0; v < kVectors; ++v) sum[v] += x[i + v] * y[i + v];
  }
  std::copy(sum, sum + kVectors, sums);
}

template <typename Real>
inline __attribute__((always_inline)) void subtract_of(const Real* x, const Real* factors, int64_t count, Real* y) {
  for (int64_t i = 0; i < count * kVectors; i += kVectors) {
    for (int64_t v = 0; v < kVectors; ++v) y[i + v] -= x[i + v] * factors[v];
  }
}

}  // namespace

PRUNENET_CLONES void symmetric_rows_thin(const float* a, int64_t lda, int64_t n, int64_t first, int64_t last, const float* x,
                                         float* z) {
  symmetric_rows_of(a, lda, n, first, last, x, z);
}
PRUNENET_CLONES void symmetric_rows_thin(const double* a, int64_t lda, int64_t n, int64_t first, int64_t last,
                                         const double* x, double* z) {
  symmetric_rows_of(a, lda, n, first, last, x, z);
}
PRUNENET_CLONES void gram_rows_thin(const float* const* rows, int64_t count, int64_t n, float alpha, const float* x, float* z) {
  gram_rows_of(rows, count, n, alpha, x, z);
}
PRUNENET_CLONES void gram_rows_thin(const double* const* rows, int64_t count, int64_t n, double alpha, const double* x,
                                    double* z) {
  gram_rows_of(rows, count, n, alpha, x, z);
}

// No clones: beside the products with a matrix these take little.
void inner_products_thin(const float* x, const float* y, int64_t count, float* sums) { inner_products_of(x, y, count, sums); }
void inner_products_thin(const double* x, const double* y, int64_t count, double* sums) { inner_products_of(x, y, count, sums); }
void subtract_thin(const float* x, const float* factors, int64_t count, float* y) { subtract_of(x, factors, count, y); }
void subtract_thin(const double* x, const double* factors, int64_t count, double* y) { subtract_of(x, factors, count, y); }

}  // namespace prunenet::kernel
