// Limits on the memory of control groups, which containers live in, of version 1 and of version 2.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace prunenet {

/// What is left under one limit of a control group, in bytes, from the texts of its files: memory.max or memory.high,
/// memory.current and memory.stat, or in version 1 memory.limit_in_bytes, memory.usage_in_bytes and memory.stat. All
/// that it uses counts as taken but for the pages of files and the kernel's caches that can be dropped: tmpfs, shared
/// memory, locked pages and the kernel's own stay. At least 1, also under a limit of 0; 0 where there is no limit,
/// which is what a text that is no number, negative or 2^62 and more says. Whatever the texts are, they are not
/// believed to drop more than is used.
int64_t control_group_room_bytes(const std::string& limit, const std::string& usage, const std::string& stat);

/// The smallest of that over the limits (in version 2 max and high) of the groups that a process is in and all groups
/// above them; 0 where none has a limit.
/// `membership`: the text of its /proc/self/cgroup; `mounts`: where the groups are mounted (version 2 itself, or below
/// it `memory` of version 1 and `unified`). A group that is not to be seen there, as in a container, leaves those above
/// it.
int64_t control_groups_room_bytes(const std::string& membership, const std::filesystem::path& mounts);

}  // namespace prunenet
