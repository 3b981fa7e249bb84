// The surgeon's elimination on a device: surgeon/eliminate.h says what it computes and surgeon/elimination_state.h how;
// here the same steps are tensor operations that never wait for the device within a panel of removals.
#pragma once

#include <ATen/ATen.h>

#include "surgeon/eliminate.h"

namespace prunenet {

/// See Accelerator::eliminate. `throw_if_cancelled` may be null. In torch's own operations alone: on the CPU and on a
/// GPU the same code.
Elimination eliminate_on(at::Device device, const Moments& moments, const Matrix<float>& w,
                         const Matrix<float>* sensitivity, const EliminationOptions& options,
                         void (*throw_if_cancelled)());

}  // namespace prunenet
