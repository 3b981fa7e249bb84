// Limits, as the system tells them.
#include "cost/machine_room.h"

#include <fstream>

#include "engine/streaming.h"

namespace prunenet {

MachineRoom machine_room(const std::filesystem::path& folder) {
  MachineRoom room;
  room.memory_bytes = static_cast<double>(usable_memory_bytes());
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error) room.disk_bytes = static_cast<double>(space.available);
  return room;
}

double unwritten_bytes_at_most() {
  const auto setting = [](const char* name, double otherwise) {
    std::ifstream file(std::filesystem::path("/proc/sys/vm") / name);
    double value = 0;
    return file >> value ? value : otherwise;
  };
  const double bytes = setting("dirty_background_bytes", 0);
  if (bytes > 0) return bytes;
  return setting("dirty_background_ratio", 10) / 100 * static_cast<double>(usable_memory_bytes());
}

}  // namespace prunenet
