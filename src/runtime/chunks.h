// Sequences packed into chunks, as much at once as makes the products fast.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "base/token_id.h"
#include "runtime/transformer.h"

namespace prunenet {

inline constexpr int64_t kChunkIds = 2048;  // more at once makes no product faster

/// Runs [begin, end) of whole sequences of at most kChunkIds ids together, or of one longer sequence.
template <typename Length>
std::vector<std::pair<size_t, size_t>> runs_of(size_t count, Length length) {
  std::vector<std::pair<size_t, size_t>> runs;
  for (size_t begin = 0; begin < count;) {
    size_t end = begin;
    int64_t ids = 0;
    while (end < count && (end == begin || ids + length(end) <= kChunkIds)) ids += length(end++);
    runs.emplace_back(begin, end);
    begin = end;
  }
  return runs;
}

/// Sequences [begin, end) as a chunk; neighbours of equal length share a segment. `ids(i)`: a span of the ids of i.
template <typename Ids>
Chunk make_chunk(size_t begin, size_t end, Ids ids) {
  Chunk chunk;
  std::vector<int64_t> packed;
  for (size_t i = begin; i < end; ++i) {
    const std::span<const TokenId> sequence = ids(i);
    packed.insert(packed.end(), sequence.begin(), sequence.end());
    const auto length = static_cast<int64_t>(sequence.size());
    if (chunk.segments.empty() || chunk.segments.back().length != length)
      chunk.segments.push_back({0, length, nullptr});
    ++chunk.segments.back().sequences;
  }
  chunk.ids = at::tensor(packed, at::kLong);
  return chunk;
}

/// All sequences in chunks, in order.
inline std::vector<Chunk> make_chunks(std::span<const std::vector<TokenId>> sequences) {
  const auto length = [&](size_t i) { return static_cast<int64_t>(sequences[i].size()); };
  std::vector<Chunk> chunks;
  for (const auto& [begin, end] : runs_of(sequences.size(), length))
    chunks.push_back(make_chunk(begin, end, [&](size_t i) { return std::span<const TokenId>(sequences[i]); }));
  return chunks;
}

}  // namespace prunenet
