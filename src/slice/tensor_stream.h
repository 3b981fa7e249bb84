// Tensors on their way to the writer: copied whole, gathered, or encoded anew, through buffers of a few MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "slice/write_queue.h"

namespace prunenet {

class TensorStream {
 public:
  /// Counts the bytes that leave on `progress`, which has begun.
  TensorStream(WriteQueue& queue, Progress& progress) : queue_(queue), progress_(progress) {}

  void copy(std::span<const std::byte> bytes);
  /// [outer, extent, inner bytes]: keeps some of the middle indices, in their order; kZeros stands for zero bytes.
  void gather(std::span<const std::byte> bytes, int64_t outer, int64_t extent, size_t inner,
              const std::vector<int64_t>& kept);
  /// Rows of `cols` numbers of type `from`: keeps the columns `kept` (kZeros: zeros) and stores them as `to`. `where`
  /// names the tensor. Throws kNonFinite for numbers that `to` does not hold.
  void recode(std::span<const std::byte> bytes, Dtype from, int64_t cols, const std::vector<int64_t>& kept, Dtype to,
              const std::string& where);
  /// The tensor is done with, once what was taken of it is written.
  void release(const Checkpoint& checkpoint, const Checkpoint::Entry& entry);

 private:
  template <typename Element>
  void gather_elements(const std::byte* row, const std::vector<int64_t>& kept);
  void append(std::span<const std::byte> bytes);
  void append_zeros(size_t size);
  std::byte* grow(size_t size);
  void flush();
  void count(size_t size_bytes);

  WriteQueue& queue_;
  Progress& progress_;
  std::vector<std::byte> buffer_;
};

}  // namespace prunenet
