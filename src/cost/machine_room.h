// How much memory and disk there is for a run.
#pragma once

#include <filesystem>

namespace prunenet {

struct MachineRoom {
  double memory_bytes = 0;  // that could be had without swapping (usable_memory_bytes of engine/streaming.h); 0: the
                            // system does not tell
  double disk_bytes = 0;    // that a user may still write in the folder; likewise
};
MachineRoom machine_room(const std::filesystem::path& folder);

/// Bytes that are written to files before whoever writes has to wait for a disk: the system begins to write when this
/// share of the memory that could be had is dirty (vm.dirty_background_ratio, or 10 % where that is not to be read).
double unwritten_bytes_at_most();

}  // namespace prunenet
