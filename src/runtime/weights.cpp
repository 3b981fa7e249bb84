// Tensors over the mapped bytes of a checkpoint.
#include "runtime/weights.h"

#include "base/error.h"

namespace prunenet {
namespace {

at::ScalarType scalar_type(const Checkpoint& checkpoint, const Checkpoint::Entry& entry) {
  switch (entry.stored.spec.dtype) {
    case Dtype::kF64:
      return at::kDouble;
    case Dtype::kF32:
      return at::kFloat;
    case Dtype::kF16:
      return at::kHalf;
    case Dtype::kBf16:
      return at::kBFloat16;
    default:
      fail(ErrorCode::kUnsupported, checkpoint.where(entry), "is {}: weights must be F64, F32, F16 or BF16",
           dtype_name(entry.stored.spec.dtype));
  }
}

}  // namespace

at::Tensor CheckpointWeights::stored(const std::string& name) const {
  const Checkpoint::Entry& entry = checkpoint_.at(name);
  const at::ScalarType type = scalar_type(checkpoint_, entry);
  const std::span<const std::byte> bytes = checkpoint_.bytes(entry);
  const size_t element = dtype_size_bytes(entry.stored.spec.dtype);
  // torch has no read-only tensors; nothing writes to this one, and the mapping would refuse it.
  void* data = const_cast<std::byte*>(bytes.data());
  if (reinterpret_cast<uintptr_t>(data) % element == 0)
    return at::from_blob(data, entry.stored.spec.shape, at::TensorOptions(type));
  at::Tensor aligned = at::empty(entry.stored.spec.shape, at::TensorOptions(type));
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(aligned.data_ptr()));
  return aligned;
}

at::Tensor CheckpointWeights::get(const std::string& name, at::ScalarType type) {
  const at::Tensor mapped = stored(name);
  if (mapped.scalar_type() == type && device_.is_cpu()) return mapped;
  at::Tensor converted = mapped.to(device_, type);
  release(name);
  return converted;
}

at::Tensor CheckpointWeights::rows(const std::string& name, const at::Tensor& ids) {
  return stored(name).index_select(0, ids).to(device_, at::kFloat);
}

void CheckpointWeights::release(const std::string& name) {
  checkpoint_.release(checkpoint_.at(name));
}

}  // namespace prunenet
