// The variables and settings that allow TF32.
#include "runtime/full_precision.h"

#include <ATen/Context.h>

#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace prunenet {

void forbid_tf32() {
  constexpr const char* kVariable = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";
  if (std::getenv(kVariable) != nullptr) unsetenv(kVariable);
  at::Context& context = at::globalContext();
  if (context.allowTF32CuBLAS())
    context.setAllowTF32CuBLAS(false);  // of 2.x, which reads the variable once at its start
  if (context.allowTF32CuBLAS()) {
    fail(ErrorCode::kUnsupported, kVariable,
         "torch read it before it could be ignored and would multiply f32 numbers in TF32; set it to 0");
  }
}

void require_no_tf32_of_cublas() {
  const char* value = std::getenv("NVIDIA_TF32_OVERRIDE");
  if (value == nullptr || std::string_view(value) == "0") return;
  fail(ErrorCode::kUnsupported, "NVIDIA_TF32_OVERRIDE",
       "it is '{}', with which f32 products on a GPU may be TF32, expected 0; unset it or set it to 0", value);
}

}  // namespace prunenet
