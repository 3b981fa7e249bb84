// symv_rows, compiled for several instruction sets; the loader takes the best one the processor has.
#include "linalg/symv.h"

#include <algorithm>

#include "linalg/clones.h"

namespace prunenet::kernel {
namespace {

// Four rows at a time, so that x and z are loaded and z is stored once for four rows of the matrix.
template <typename Real>
inline __attribute__((always_inline)) void symv_rows_of(const Real* __restrict a, int64_t lda, int64_t n, int64_t first,
                                                        int64_t last, const Real* __restrict x, Real* __restrict dots,
                                                        Real* __restrict z) {
  std::fill(z, z + (n - first), Real{0});
  int64_t i = first;
  for (; i + 4 <= last; i += 4) {
    const Real* __restrict r0 = a + i * lda;
    const Real* __restrict r1 = r0 + lda;
    const Real* __restrict r2 = r1 + lda;
    const Real* __restrict r3 = r2 + lda;
    const Real x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
    Real s0 = r0[i] * x0 + r0[i + 1] * x1 + r0[i + 2] * x2 + r0[i + 3] * x3;
    Real s1 = r1[i + 1] * x1 + r1[i + 2] * x2 + r1[i + 3] * x3;
    Real s2 = r2[i + 2] * x2 + r2[i + 3] * x3;
    Real s3 = r3[i + 3] * x3;
    Real* __restrict zi = z + (i - first);
    zi[1] += r0[i + 1] * x0;
    zi[2] += r0[i + 2] * x0 + r1[i + 2] * x1;
    zi[3] += r0[i + 3] * x0 + r1[i + 3] * x1 + r2[i + 3] * x2;
    Real* __restrict zj = z - first;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int64_t j = i + 4; j < n; ++j) {
      const Real xj = x[j], a0 = r0[j], a1 = r1[j], a2 = r2[j], a3 = r3[j];
      s0 += a0 * xj;
      s1 += a1 * xj;
      s2 += a2 * xj;
      s3 += a3 * xj;
      zj[j] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3);
    }
    dots[i] = s0;
    dots[i + 1] = s1;
    dots[i + 2] = s2;
    dots[i + 3] = s3;
  }
  for (; i < last; ++i) {
    const Real* __restrict row = a + i * lda;
    const Real xi = x[i];
    Real sum = row[i] * xi;
    Real* __restrict zj = z - first;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = i + 1; j < n; ++j) {
      sum += row[j] * x[j];
      zj[j] += row[j] * xi;
    }
    dots[i] = sum;
  }
}

}  // namespace

PRUNENET_CLONES void symv_rows(const float* a, int64_t lda, int64_t n, int64_t first, int64_t last, const float* x, float* dots,
                               float* z) {
  symv_rows_of(a, lda, n, first, last, x, dots, z);
}

PRUNENET_CLONES void symv_rows(const double* a, int64_t lda, int64_t n, int64_t first, int64_t last, const double* x,
                               double* dots, double* z) {
  symv_rows_of(a, lda, n, first, last, x, dots, z);
}

}  // namespace prunenet::kernel
