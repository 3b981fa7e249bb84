// Runs: found once for a tensor, copied for each of its rows.
#include "slice/runs.h"

#include <cstring>

#include "slice/slice.h"

namespace prunenet {

std::vector<ByteRun> runs_of(const std::vector<int64_t>& kept, size_t unit_bytes) {
  std::vector<ByteRun> runs;
  for (const int64_t index : kept) {
    const size_t begin = index == kZeros ? kZeroRun : static_cast<size_t>(index) * unit_bytes;
    if (!runs.empty()) {
      ByteRun& last = runs.back();
      const bool follows =
          begin == kZeroRun ? last.begin == kZeroRun : last.begin != kZeroRun && last.begin + last.size_bytes == begin;
      if (follows) {
        last.size_bytes += unit_bytes;
        continue;
      }
    }
    runs.push_back({begin, unit_bytes});
  }
  return runs;
}

void copy_runs(const std::byte* row, const std::byte* source_end, std::span<const ByteRun> runs, std::byte* out) {
  for (const ByteRun& run : runs) {
    if (run.begin == kZeroRun) {
      std::memset(out, 0, run.size_bytes);
    } else if (const std::byte* from = row + run.begin;
               run.size_bytes <= kCopySlack && static_cast<size_t>(source_end - from) >= kCopySlack) {
      std::memcpy(out, from, kCopySlack);  // of a size that is known: no call; the next run overwrites what is too much
    } else {
      std::memcpy(out, from, run.size_bytes);
    }
    out += run.size_bytes;
  }
}

}  // namespace prunenet
