// WriteQueue: one producer, one consumer, a few jobs between them.
#include "slice/write_queue.h"

namespace prunenet {
namespace {
constexpr size_t kMaxJobs = 4;
}

WriteQueue::WriteQueue(TensorSink& sink) : sink_(sink), thread_([this] { run(); }) {}

WriteQueue::~WriteQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
  }
  changed_.notify_all();
  thread_.join();
}

void WriteQueue::push(std::span<const std::byte> bytes) {
  enqueue({{}, bytes, {}});
}
void WriteQueue::push(std::vector<std::byte> bytes) {
  enqueue({std::move(bytes), {}, {}});
}
void WriteQueue::push(std::function<void()> action) {
  enqueue({{}, {}, std::move(action)});
}

std::vector<std::byte> WriteQueue::take_buffer(size_t capacity) {
  std::vector<std::byte> buffer;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      buffer = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  buffer.clear();
  buffer.reserve(capacity);
  return buffer;
}

void WriteQueue::enqueue(Job job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.size() < kMaxJobs || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void WriteQueue::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return (jobs_.empty() && !busy_) || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

void WriteQueue::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !jobs_.empty() || stop_; });
    if (stop_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (job.action) job.action();
      sink_.append(job.owned.empty() ? job.bytes : std::span<const std::byte>(job.owned));
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    if (job.owned.capacity() > 0) spare_.push_back(std::move(job.owned));
    changed_.notify_all();
    if (failure) {
      failure_ = failure;
      return;
    }
  }
}

}  // namespace prunenet
