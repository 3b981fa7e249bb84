// Limits, as the system tells them.
#include "cost/machine_room.h"

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

}  // namespace prunenet
