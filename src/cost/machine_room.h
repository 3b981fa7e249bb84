// How much memory and disk there is for a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace prunenet {

struct MachineRoom {
  double memory_bytes = 0;  // that could be had without swapping, within the limits of the control groups (version 2)
                            // that this process is in; 0: the system does not tell
  double disk_bytes = 0;    // that a user may still write in the folder; likewise
};
MachineRoom machine_room(const std::filesystem::path& folder);

/// What is left under one limit, from the text of memory.max and of memory.stat: pages of files can always be dropped.
/// 0 where there is no limit.
double room_in_group(const std::string& max, const std::string& stat);

}  // namespace prunenet
