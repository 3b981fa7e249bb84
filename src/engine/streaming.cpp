// The rule, and the system's own files about memory.
#include "engine/streaming.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/system.h"
#include "model/transformer.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// The smaller of two limits, where 0 is none.
int64_t smaller_limit(int64_t a, int64_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

// The process's group and every group above it may have a limit; the smallest counts.
int64_t control_groups_room_bytes() {
  constexpr int kMostDepth = 64;
  std::ifstream groups("/proc/self/cgroup");
  int64_t room = 0;
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    fs::path path = line.substr(4);
    for (int depth = 0; depth < kMostDepth; ++depth) {
      const fs::path folder = fs::path("/sys/fs/cgroup") / path;
      room = smaller_limit(room,
                           control_group_room_bytes(text_of(folder / "memory.max"), text_of(folder / "memory.stat")));
      if (path.empty()) break;
      path = path.parent_path();
    }
  }
  return room;
}

}  // namespace

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

int64_t control_group_room_bytes(const std::string& max, const std::string& stat) {
  std::istringstream limit(max);
  int64_t bytes = 0;
  if (!(limit >> bytes) || bytes <= 0) return 0;  // "max"
  std::istringstream lines(stat);
  std::string key;
  for (int64_t value = 0; lines >> key >> value;) {
    if (key == "anon") return std::max<int64_t>(1, bytes - value);
  }
  return bytes;
}

int64_t usable_memory_bytes() {
  return smaller_limit(available_memory_bytes(), control_groups_room_bytes());
}

bool engine_streams(const EngineOptions& options, int64_t converted_bytes, int64_t usable_bytes) {
  if (options.stream || options.device != "cpu") return options.stream;
  return usable_bytes > 0 && converted_bytes > usable_bytes / 4 * 3;
}

}  // namespace prunenet
