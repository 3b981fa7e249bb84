// Threads that check, cut and write: each makes a piece in its own cache and appends it when all before it are written,
// so that the bytes are the same for any number of threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>

#include "base/progress.h"
#include "checkpoint/tensor_sink.h"
#include "slice/slice.h"
#include "slice/tensor_pieces.h"

namespace prunenet {

class CutWriter {
 public:
  /// All stay alive. `progress` has begun, and counts bytes.
  CutWriter(const Checkpoint& checkpoint, const SlicePlan& plan, TensorSink& sink, Progress& progress)
      : checkpoint_(checkpoint), plan_(plan), sink_(sink), progress_(progress) {}

  /// Appends every tensor of the plan to the sink with `threads` threads, this one among them. Memory: a piece each.
  /// Throws the error of the first piece, in the order of the file, that has one.
  void run(int threads);

 private:
  // A piece with its number among all.
  struct Task {
    Piece piece;
    std::shared_ptr<TensorPieces> tensor;
    size_t cut = 0;
    uint64_t number = 0;
    bool ends_tensor = false;
  };
  void work() noexcept;
  bool take(Task& task);
  bool begin_tensor();
  bool await_turn(uint64_t number);
  void append(const Task& task, std::span<const std::byte> bytes);
  void end_turn();
  void stop(std::exception_ptr failure);

  const Checkpoint& checkpoint_;
  const SlicePlan& plan_;
  TensorSink& sink_;
  Progress& progress_;

  std::mutex plan_mutex_;  // of what is taken next
  size_t next_cut_ = 0;
  std::shared_ptr<TensorPieces> tensor_;
  Piece ahead_;  // the piece that is taken next, of tensor_
  uint64_t next_number_ = 0;

  std::mutex turn_mutex_;  // of who writes
  std::condition_variable turn_changed_;
  uint64_t turn_ = 0;
  std::exception_ptr failure_;
};

}  // namespace prunenet
