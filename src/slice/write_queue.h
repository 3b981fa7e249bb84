// A thread that writes while the next tensor is checked and gathered: the two halves of cutting take about equally
// long.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "checkpoint/tensor_sink.h"

namespace prunenet {

/// Appends to a TensorSink in the order of the pushes, from its own thread. Holds a few chunks at a time: `push`
/// waits where the disk is slower. What the thread throws comes out of the next call here.
class WriteQueue {
 public:
  explicit WriteQueue(TensorSink& sink);
  /// Drops what is not written yet.
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// Bytes that stay valid until they are written (a mapping).
  void push(std::span<const std::byte> bytes);
  /// Bytes that the queue takes over.
  void push(std::vector<std::byte> bytes);
  /// An empty buffer with room, one that was written if there is one: fresh memory costs a page fault every 4 KiB.
  std::vector<std::byte> take_buffer(size_t capacity);
  /// To be called once all that was pushed before is written.
  void push(std::function<void()> action);
  /// Waits until all is written.
  void finish();

 private:
  struct Job {
    std::vector<std::byte> owned;
    std::span<const std::byte> bytes;
    std::function<void()> action;
  };
  void enqueue(Job job);
  void run();

  TensorSink& sink_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<std::vector<std::byte>> spare_;
  bool busy_ = false, stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace prunenet
