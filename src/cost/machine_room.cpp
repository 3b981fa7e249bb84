// Limits, read from the system's own files.
#include "cost/machine_room.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "base/system.h"

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

// The process's group and every group above it may have a limit; the smallest counts.
double room_in_groups() {
  constexpr int kMostDepth = 64;
  std::ifstream groups("/proc/self/cgroup");
  double room = 0;
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    fs::path path = line.substr(4);
    for (int depth = 0; depth < kMostDepth; ++depth) {
      const fs::path folder = fs::path("/sys/fs/cgroup") / path;
      const double here = room_in_group(text_of(folder / "memory.max"), text_of(folder / "memory.stat"));
      if (here > 0) room = room == 0 ? here : std::min(room, here);
      if (path.empty()) break;
      path = path.parent_path();
    }
  }
  return room;
}

}  // namespace

double room_in_group(const std::string& max, const std::string& stat) {
  std::istringstream limit(max);
  double bytes = 0;
  if (!(limit >> bytes) || bytes <= 0) return 0;  // "max"
  std::istringstream lines(stat);
  std::string key;
  for (double value = 0; lines >> key >> value;) {
    if (key == "anon") return std::max(1.0, bytes - value);
  }
  return bytes;
}

MachineRoom machine_room(const fs::path& folder) {
  MachineRoom room;
  room.memory_bytes = static_cast<double>(available_memory_bytes());
  const double limited = room_in_groups();
  if (limited > 0) room.memory_bytes = room.memory_bytes == 0 ? limited : std::min(room.memory_bytes, limited);
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (!error) room.disk_bytes = static_cast<double>(space.available);
  return room;
}

}  // namespace prunenet
