// One tensor of a cut as pieces of about a MiB, which stay in the caches: planned one after the other,
// made by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "slice/slice.h"

namespace prunenet {

/// Bytes of a piece; more only where a single row of the result is longer.
inline constexpr size_t kPieceBytes = size_t{1} << 20;

/// A part of a tensor's result. The pieces of a tensor also share out its source: each byte is checked with one of
/// them.
struct Piece {
  std::span<const std::byte> checked;
  // What is written: whole rows of the result ...
  int64_t first_row = 0, rows = 0;
  // ... or, where rows is 0, `size_bytes` from inside the row first_row on, beginning at a byte of one of its runs.
  size_t run = 0, offset_bytes = 0, size_bytes = 0;
};

/// Buffers of a thread that makes pieces; they grow to what a piece needs.
struct PieceBuffers {
  std::vector<std::byte> bytes;
  std::vector<float> decoded, gathered;
};

class TensorPieces {
 public:
  virtual ~TensorPieces() = default;

  /// The piece that follows; false after the last. O(runs in the piece), reads no weights.
  virtual bool next(Piece& piece) = 0;
  /// Checks the piece's part of the source and returns the bytes to be written, which lie in `buffers` or in the
  /// source. Many threads may call this at once. Throws kNonFinite, naming the tensor.
  virtual std::span<const std::byte> make(const Piece& piece, PieceBuffers& buffers) const = 0;
};

/// The pieces of `cut`, whose result is stored as `written`. `checkpoint` and `cut` stay alive.
std::unique_ptr<TensorPieces> tensor_pieces(const Checkpoint& checkpoint, const TensorCut& cut, Dtype written);

}  // namespace prunenet
