// Reading the tensors that are needed next while the present ones are worked on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// One thread that brings tensors of a checkpoint from the disk into memory, a piece at a time. Only a hint: what it
/// cannot do is left to whoever touches the bytes, and no result depends on it. Calls from one thread.
class ReadAhead {
 public:
  /// Brings a piece of a checkpoint's mapping into memory and returns when it is there. May throw: the piece is left.
  using Bring = std::function<void(std::span<const std::byte> piece)>;

  /// As much as is read without asking whether it is still wanted.
  static constexpr size_t kPieceBytes = size_t{16} << 20;

  /// `checkpoint` must outlive it. The thread starts with the first tensor that is asked for. A request
  /// ends before the tensor that makes it more than `most_bytes`, so that what is in use stays in a small memory; 0:
  /// never.
  explicit ReadAhead(const Checkpoint& checkpoint, int64_t most_bytes = 0);
  /// The same with another way of bringing a piece.
  ReadAhead(const Checkpoint& checkpoint, int64_t most_bytes, Bring bring);
  /// Waits for the piece that is being read, and for nothing else.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Asks for these tensors, in this order. What was asked for before and is not being read already is forgotten,
  /// unless it is in this request too: then it goes on, and what of it was read is not read again. Names that the
  /// checkpoint does not have are skipped. Returns at once and never throws. Cost: what is in memory already is passed
  /// at 15 to 100 GB a second.
  void ask(std::span<const std::string> names) noexcept;

 private:
  void work();

  using Span = std::span<const std::byte>;

  Span unread_part(Span tensor) const;

  const Checkpoint& checkpoint_;
  size_t most_bytes_;
  Bring bring_;
  std::vector<Span> asked_;  // tensors of the last request
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Span> wanted_;  // the last one comes first; each becomes shorter piece by piece
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace prunenet
