// What files take of a disk: whole blocks, so that many small ones take more than their bytes.
#pragma once

#include <cmath>

namespace prunenet {

inline constexpr double kDiskBlock = 4096;  // bytes; what most file systems have

inline double file_disk_bytes(double bytes) {
  return std::ceil(bytes / kDiskBlock) * kDiskBlock;
}

/// A part of a run's journal (base/run_journal.h): a file of its own, with a header and its name before the bytes.
inline double part_disk_bytes(double bytes) {
  constexpr double kHeader = 128;
  return file_disk_bytes(kHeader + bytes);
}

}  // namespace prunenet
