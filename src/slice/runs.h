// Kept indices as runs of bytes, and copying many short ones fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace prunenet {

/// Bytes of a row that follow each other in the source and in the result; zeros where `begin` is kZeroRun.
struct ByteRun {
  size_t begin = 0, size_bytes = 0;
};
inline constexpr size_t kZeroRun = SIZE_MAX;

/// The runs of `kept` indices (kZeros for zeros) of `unit_bytes` each, in their order.
std::vector<ByteRun> runs_of(const std::vector<int64_t>& kept, size_t unit_bytes);

/// A result may be written so far beyond its end: room that a destination of copy_runs must have.
inline constexpr size_t kCopySlack = 32;

/// Copies the runs of the row at `row` one after the other to `out`. Bytes up to `source_end` may be read. About two
/// processor cycles a run of up to kCopySlack bytes.
void copy_runs(const std::byte* row, const std::byte* source_end, std::span<const ByteRun> runs, std::byte* out);

}  // namespace prunenet
