// AdamW a run of elements at a time. Compiled without errno for square roots, which would keep the loop from vectorising.
#include "policy/adamw_kernel.h"

#include <cmath>

#include "linalg/clones.h"

namespace prunenet::kernel {
namespace {

template <typename Real>
inline __attribute__((always_inline)) void run(const AdamWFactors<Real>& factors, int64_t count, Real scale,
                                               const Real* __restrict g, Real* __restrict parameters, Real* __restrict first,
                                               Real* __restrict second) {
  const AdamWFactors<Real> f = factors;
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) {
    const Real gradient = scale * g[j];
    const Real m = first[j] * f.beta1 + (1 - f.beta1) * gradient;
    const Real v = second[j] * f.beta2 + (1 - f.beta2) * gradient * gradient;
    first[j] = m;
    second[j] = v;
    parameters[j] = parameters[j] * f.keep - f.step_size * m / (std::sqrt(v) / f.root_correction + f.epsilon);
  }
}

}  // namespace

PRUNENET_CLONES void adamw_run(const AdamWFactors<float>& factors, int64_t count, float scale, const float* g,
                               float* parameters, float* first, float* second) {
  run(factors, count, scale, g, parameters, first, second);
}
PRUNENET_CLONES void adamw_run(const AdamWFactors<double>& factors, int64_t count, double scale, const double* g,
                               double* parameters, double* first, double* second) {
  run(factors, count, scale, g, parameters, first, second);
}

}  // namespace prunenet::kernel
