// Reading the tensors that are needed next while the present ones are worked on.
#pragma once

#include <condition_variable>
#include <cstddef>
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

  /// `checkpoint` must outlive it. The thread starts with the first tensor that is asked for.
  explicit ReadAhead(const Checkpoint& checkpoint);
  /// The same with another way of bringing a piece.
  ReadAhead(const Checkpoint& checkpoint, Bring bring);
  /// Waits for the piece that is being read, and for nothing else.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Asks for these tensors, in this order. What was asked for before and is not being read already is forgotten.
  /// Names that the checkpoint does not have are skipped. Returns at once and never throws. Cost: where everything is
  /// in memory already, the thread passes 100 GB a second.
  void ask(std::span<const std::string> names) noexcept;

 private:
  void work();

  const Checkpoint& checkpoint_;
  Bring bring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<const std::byte>> wanted_;  // the last one comes first; each becomes shorter piece by piece
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace prunenet
