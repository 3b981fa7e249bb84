// f32 products are f32 on a GPU, too. In TF32 factors keep 10 bits of 23: the error that an estimated KS states, the
// downdate of a Gram matrix and every tolerance of docs/gpu.md would be untrue, and nothing would show it.
#pragma once

namespace prunenet {

/// Forbids TF32 in torch's products, for all threads, whatever TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says: the variable is
/// taken out of the environment, because libtorch 1.13 obeys it, and no setting, once it has read it (at the first
/// product on a GPU). Call it before any, while no other thread looks at the environment. Throws kUnsupported where
/// torch has read it already and goes on to allow TF32.
void forbid_tf32();

/// Throws kUnsupported where NVIDIA_TF32_OVERRIDE is set to anything but 0: NVIDIA's libraries read it themselves,
/// ahead of what torch asks them for, and only of 0 is it documented that there is no TF32.
void require_no_tf32_of_cublas();

}  // namespace prunenet
