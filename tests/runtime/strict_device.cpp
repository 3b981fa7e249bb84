// A device for tests that keeps a GPU's rules on a machine without one, under the name that torch reserves for devices
// of others, "privateuseone": its memory cannot be read from the host (every pointer is shifted out of the address
// space), and operations whose tensors lie on different devices are refused. The operations are the CPU's. So code that
// forgets to move a tensor, or reads one where it lies, fails here as it would on a GPU. In the terms of libtorch 1.13
// and 2.6 (Debian's); other versions may have other interfaces for it, and a GPU is the better test anyway.
#include <torch/version.h>

#if TORCH_VERSION_MAJOR == 1 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR == 6)

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "linalg/thin.h"
#include "strict_device.h"

namespace {

constexpr uintptr_t kShift = uintptr_t{1} << 47;  // no address of a process on x86-64 and AArch64 is as high

void* shifted(void* pointer, uintptr_t by) {
  return pointer == nullptr ? nullptr : reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(pointer) + by);
}

at::Device the_device() {
  return at::Device(at::kPrivateUse1, 0);
}

c10::DataPtr shifted_memory(size_t bytes) {
  void* const memory = bytes == 0 ? nullptr : std::malloc(bytes);
  return {shifted(memory, kShift), memory, &std::free, the_device()};
}

class ShiftedAllocator final : public c10::Allocator {
 public:
#if TORCH_VERSION_MAJOR == 1
  c10::DataPtr allocate(size_t bytes) const override {
    return shifted_memory(bytes);
  }
#else
  c10::DataPtr allocate(size_t bytes) override {
    return shifted_memory(bytes);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(shifted(to, uintptr_t{0} - kShift), shifted(const_cast<void*>(from), uintptr_t{0} - kShift), bytes);
  }
#endif
};

ShiftedAllocator allocator;
constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::Tensor empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> type, c10::optional<at::Layout>,
                 c10::optional<at::Device>, c10::optional<bool>, c10::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &allocator, kKeys, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, c10::optional<at::ScalarType> type,
                         c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &allocator, kKeys, c10::dtype_or_default(type));
}

// The same memory as a tensor of the CPU.
at::Tensor revealed(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(shifted(tensor.data_ptr(), uintptr_t{0} - kShift), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(tensor.scalar_type()));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  revealed(to).copy_(revealed(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) {
    const at::Tensor fresh = at::empty(from.sizes(), to.options());
    to.unsafeGetTensorImpl()->set_storage_keep_dtype(fresh.storage());
    to.unsafeGetTensorImpl()->set_sizes_contiguous(fresh.sizes());
  }
  return copy_from(from, to, false);
}

// As a GPU has it: all tensors of an operation on one device, but for single numbers.
void require_one_device(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  const auto check = [&](const at::Tensor& tensor) {
    TORCH_CHECK(!tensor.defined() || tensor.dim() == 0 || !tensor.is_cpu(), op.schema().name(),
                ": expected all tensors to be on the same device, found one of ", tensor.sizes(), " on the CPU");
  };
  const size_t count = op.schema().arguments().size();
  for (size_t i = stack.size() - count; i < stack.size(); ++i) {
    if (stack[i].isTensor()) check(stack[i].toTensor());
    if (!stack[i].isTensorList()) continue;
    for (const at::Tensor& tensor : stack[i].toTensorVector()) check(tensor);
  }
}

void on_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  require_one_device(op, *stack);
  at::native::cpu_fallback(op, stack);
  if (op.schema().name() != "aten::mm") return;
  const at::Tensor product = stack->back().toTensor();
  if (product.size(1) != prunenet::kThinVectors) return;
  ++prunenet::test::thin_products;
  if (prunenet::test::spoil_thin_products) revealed(product).fill_(std::numeric_limits<double>::quiet_NaN());
}

at::Tensor as_strided(const at::Tensor& tensor, at::IntArrayRef sizes, at::IntArrayRef strides,
                      c10::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(tensor, sizes, strides, offset);
}

// One device with one stream: nothing to choose between and nothing to wait for.
class OneStreamGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return at::kPrivateUse1; }
  at::Device exchangeDevice(at::Device) const override { return the_device(); }
  at::Device getDevice() const override { return the_device(); }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  c10::Stream getStream(at::Device) const noexcept override { return stream(); }
  c10::Stream getDefaultStream(at::Device) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

 private:
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, the_device()); }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, OneStreamGuard);

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("as_strided", &as_strided);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
}

}  // namespace

#endif
