// The surgeon's refit on a device: surgeon/refit.h says what it computes; here in tensor operations.
#pragma once

#include <ATen/ATen.h>

#include "surgeon/refit.h"

namespace prunenet {

/// See Accelerator::refit.
Refit refit_on(at::Device device, const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
               const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options);

}  // namespace prunenet
