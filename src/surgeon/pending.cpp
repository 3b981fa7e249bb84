// subtract_pending, compiled for several instruction sets; the loader takes the best one the processor has.
#include "surgeon/pending.h"

#include "linalg/clones.h"

namespace prunenet::kernel {
namespace {

// Two rows at a time, so that h and a are loaded and stored half as often.
template <typename Real>
inline __attribute__((always_inline)) void subtract_pending_of(const Real* t, const Real* u, int64_t stride,
                                                               int64_t count, const Real* of_r, const Real* of_u,
                                                               const Real* of_t, int64_t first, int64_t last,
                                                               Real* __restrict h, Real* __restrict a) {
  int64_t k = 0;
  for (; k + 2 <= count; k += 2) {
    const Real* __restrict t0 = t + k * stride;
    const Real* __restrict t1 = t0 + stride;
    const Real* __restrict u0 = u + k * stride;
    const Real* __restrict u1 = u0 + stride;
    const Real r0 = of_r[k], r1 = of_r[k + 1], x0 = of_u[k], x1 = of_u[k + 1], y0 = of_t[k], y1 = of_t[k + 1];
#pragma omp simd
    for (int64_t j = first; j < last; ++j) {
      const Real p = t0[j], q = t1[j];
      h[j] -= r0 * p + r1 * q;
      a[j] -= (x0 * p + y0 * u0[j]) + (x1 * q + y1 * u1[j]);
    }
  }
  for (; k < count; ++k) {
    const Real* __restrict t0 = t + k * stride;
    const Real* __restrict u0 = u + k * stride;
    const Real r0 = of_r[k], x0 = of_u[k], y0 = of_t[k];
#pragma omp simd
    for (int64_t j = first; j < last; ++j) {
      h[j] -= r0 * t0[j];
      a[j] -= x0 * t0[j] + y0 * u0[j];
    }
  }
}

}  // namespace

PRUNENET_CLONES void subtract_pending(const float* t, const float* u, int64_t stride, int64_t count, const float* of_r,
                                      const float* of_u, const float* of_t, int64_t first, int64_t last, float* h,
                                      float* a) {
  subtract_pending_of(t, u, stride, count, of_r, of_u, of_t, first, last, h, a);
}

PRUNENET_CLONES void subtract_pending(const double* t, const double* u, int64_t stride, int64_t count,
                                      const double* of_r, const double* of_u, const double* of_t, int64_t first,
                                      int64_t last, double* h, double* a) {
  subtract_pending_of(t, u, stride, count, of_r, of_u, of_t, first, last, h, a);
}

}  // namespace prunenet::kernel
