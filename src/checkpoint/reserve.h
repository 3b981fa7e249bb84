// Room on the disk for a file before it is written.
#pragma once

#include <cstdint>
#include <filesystem>

namespace prunenet {

/// Takes disk space for `size_bytes` of the file `path`, which exists and is empty; its size stays 0. What is appended
/// then costs the file system half the work, lies in one piece, and a full disk shows before anything is written.
/// Throws kNoSpace. File systems that cannot do this are left alone: writing itself will tell.
void reserve_file(const std::filesystem::path& path, uint64_t size_bytes);

}  // namespace prunenet
