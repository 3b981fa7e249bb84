// The inner loop of AdamW, compiled for several instruction sets.
#pragma once

#include <cstdint>

namespace prunenet::kernel {

/// What one step multiplies with, in the order of torch's single-tensor AdamW.
template <typename Real>
struct AdamWFactors {
  Real keep, beta1, beta2, step_size, root_correction, epsilon;
};

/// `count` parameters and their moments, each one step along its gradient `scale` * g. Each element is read and written
/// once. The same bits on every processor: IEEE operations, none fused.
void adamw_run(const AdamWFactors<float>& factors, int64_t count, float scale, const float* g, float* parameters, float* first,
               float* second);
void adamw_run(const AdamWFactors<double>& factors, int64_t count, double scale, const double* g, double* parameters,
               double* first, double* second);

}  // namespace prunenet::kernel
