// CutWriter: pieces are taken in order, made beside each other, written in order.
#include "slice/cut_writer.h"

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancel.h"

namespace prunenet {

void CutWriter::run(int threads) {
  {
    std::vector<std::jthread> others;
    try {
      while (static_cast<int>(others.size()) + 1 < threads) others.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that are there do the work.
    }
    work();
  }
  if (failure_) std::rethrow_exception(failure_);
}

void CutWriter::work() noexcept {
  PieceBuffers buffers;
  Task task;
  try {
    while (take(task)) {
      std::span<const std::byte> bytes;
      std::exception_ptr failure;
      try {
        bytes = task.tensor->make(task.piece, buffers);
      } catch (...) {
        failure = std::current_exception();  // kept until the pieces before this one are written or have failed
      }
      if (!await_turn(task.number)) return;
      if (failure) std::rethrow_exception(failure);
      append(task, bytes);
      end_turn();
    }
  } catch (...) {
    stop(std::current_exception());
  }
}

// The next piece; false when there is none.
bool CutWriter::take(Task& task) {
  const std::lock_guard lock(plan_mutex_);
  if (!tensor_ && !begin_tensor()) return false;
  task.piece = ahead_;
  task.tensor = tensor_;
  task.cut = next_cut_ - 1;
  task.number = next_number_++;
  task.ends_tensor = !tensor_->next(ahead_);
  if (task.ends_tensor) tensor_.reset();
  return true;
}

// Tensors without a byte have no piece.
bool CutWriter::begin_tensor() {
  while (next_cut_ < plan_.cuts.size()) {
    const size_t cut = next_cut_++;
    tensor_ = tensor_pieces(checkpoint_, plan_.cuts[cut], plan_.tensors[cut].dtype);
    if (tensor_->next(ahead_)) return true;
  }
  tensor_.reset();
  return false;
}

// False when another thread has failed meanwhile.
bool CutWriter::await_turn(uint64_t number) {
  std::unique_lock lock(turn_mutex_);
  turn_changed_.wait(lock, [&] { return turn_ == number || failure_; });
  return !failure_;
}

void CutWriter::append(const Task& task, std::span<const std::byte> bytes) {
  throw_if_cancelled();
  sink_.append(bytes);
  progress_.advance(static_cast<double>(bytes.size()));
  if (task.ends_tensor) checkpoint_.release(checkpoint_.tensors()[plan_.cuts[task.cut].source]);
}

void CutWriter::end_turn() {
  {
    const std::lock_guard lock(turn_mutex_);
    ++turn_;
  }
  turn_changed_.notify_all();
}

void CutWriter::stop(std::exception_ptr failure) {
  {
    const std::lock_guard lock(turn_mutex_);
    if (!failure_) failure_ = std::move(failure);
  }
  turn_changed_.notify_all();
}

}  // namespace prunenet
