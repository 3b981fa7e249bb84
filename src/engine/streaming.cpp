// The rule, and what it goes by.
#include "engine/streaming.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/system.h"
#include "engine/control_group.h"
#include "model/transformer.h"

namespace prunenet {

int64_t converted_weight_bytes(const Checkpoint& checkpoint, const ModelDescription& model, ComputeType compute) {
  const TransformerDescription transformer = describe_transformer(checkpoint, model);
  const Dtype wanted = compute == ComputeType::kF32 ? Dtype::kF32 : Dtype::kBf16;
  int64_t bytes = 0;
  for (const auto& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    const bool only_looked_up = spec.name == transformer.embedding && transformer.head.weight.tensor != spec.name;
    if (spec.dtype != wanted && !only_looked_up)
      bytes += spec.num_elements() * static_cast<int64_t>(dtype_size_bytes(wanted));
  }
  return bytes;
}

int64_t usable_memory_bytes() {
  std::ifstream file("/proc/self/cgroup");
  const std::string membership{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const int64_t available = available_memory_bytes(), room = control_groups_room_bytes(membership, "/sys/fs/cgroup");
  return available == 0 || room == 0 ? std::max(available, room) : std::min(available, room);
}

bool engine_streams(const EngineOptions& options, int64_t converted_bytes, int64_t usable_bytes) {
  if (options.stream || options.device != "cpu") return options.stream;
  return usable_bytes > 0 && converted_bytes > usable_bytes / 4 * 3;
}

}  // namespace prunenet
