// Tensors over the mapped bytes of a checkpoint.
#include "runtime/weights.h"

#include <algorithm>

#include "base/error.h"
#include "runtime/pieces.h"

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
      fail(ErrorCode::kUnsupported, checkpoint.where(entry),
           "is {}: weights must be F64, F32, F16, BF16 or quantised as GGUF does it",
           dtype_name(entry.stored.spec.dtype));
  }
}

// Numbers of a decoded run: it stays in a core's cache.
constexpr int64_t kRunElements = 1 << 14;

// Decodes `count` elements, whole blocks, from the block that begins with element `first` on, into a contiguous f32 or
// bf16 tensor.
void decode(const std::byte* bytes, Dtype dtype, int64_t first, int64_t count, const at::Tensor& out, int64_t place) {
  const std::byte* source = bytes + dtype_bytes(dtype, static_cast<uint64_t>(first));
  if (out.scalar_type() == at::kFloat) {
    widen(source, dtype, static_cast<size_t>(count), out.data_ptr<float>() + place);
    return;
  }
  std::vector<float> wide(static_cast<size_t>(count));
  widen(source, dtype, wide.size(), wide.data());
  at::BFloat16* to = out.data_ptr<at::BFloat16>() + place;
  for (const float value : wide) *to++ = at::BFloat16(bf16_from_f32(value), at::BFloat16::from_bits());
}

}  // namespace

bool CheckpointWeights::in_place(const std::string& name, at::ScalarType type) const {
  const Checkpoint::Entry& entry = checkpoint_.at(name);
  const Dtype dtype = entry.stored.spec.dtype;
  if (!device_.is_cpu() || dtype_is_quantised(dtype) || scalar_type(checkpoint_, entry) != type) return false;
  return reinterpret_cast<uintptr_t>(checkpoint_.bytes(entry).data()) % dtype_size_bytes(dtype) == 0;
}

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

at::Tensor CheckpointWeights::decoded(const Checkpoint::Entry& entry, at::ScalarType type) const {
  const TensorSpec& spec = entry.stored.spec;
  const std::byte* bytes = checkpoint_.bytes(entry).data();
  const int64_t elements = spec.num_elements();
  const at::Tensor out = at::empty(spec.shape, at::TensorOptions(type));
  for_pieces((elements + kRunElements - 1) / kRunElements, true, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * kRunElements;
      decode(bytes, spec.dtype, first, std::min(kRunElements, elements - first), out, first);
    }
  });
  return out;
}

at::Tensor CheckpointWeights::get(const std::string& name, at::ScalarType type) {
  if (const Checkpoint::Entry& entry = checkpoint_.at(name); dtype_is_quantised(entry.stored.spec.dtype)) {
    const at::Tensor values = decoded(entry, type);
    release(name);
    return values.to(device_);
  }
  const at::Tensor mapped = stored(name);
  if (mapped.scalar_type() == type && device_.is_cpu()) return mapped;
  at::Tensor converted = mapped.to(device_, type);
  release(name);
  return converted;
}

at::Tensor CheckpointWeights::rows(const std::string& name, const at::Tensor& ids) {
  const Checkpoint::Entry& entry = checkpoint_.at(name);
  const TensorSpec& spec = entry.stored.spec;
  if (!dtype_is_quantised(spec.dtype)) return stored(name).index_select(0, ids).to(device_, at::kFloat);
  PRUNENET_CHECK(spec.shape.size() == 2);
  const int64_t cols = spec.shape[1];
  const std::byte* bytes = checkpoint_.bytes(entry).data();
  const at::Tensor out = at::empty({ids.size(0), cols}, at::TensorOptions(at::kFloat)), order = ids.contiguous();
  const int64_t* id = order.data_ptr<int64_t>();
  for_pieces(ids.size(0), ids.size(0) * cols > kRunElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      PRUNENET_CHECK(id[i] >= 0 && id[i] < spec.shape[0]);
      decode(bytes, spec.dtype, id[i] * cols, cols, out, i * cols);
    }
  });
  return out.to(device_);
}

void CheckpointWeights::release(const std::string& name) {
  checkpoint_.release(checkpoint_.at(name));
}

}  // namespace prunenet
