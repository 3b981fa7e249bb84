// The thread, and what it is asked for.
#include "checkpoint/read_ahead.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/file.h"

namespace prunenet {

ReadAhead::ReadAhead(const Checkpoint& checkpoint, int64_t most_bytes)
    : ReadAhead(checkpoint, most_bytes, bring_into_memory) {}

ReadAhead::ReadAhead(const Checkpoint& checkpoint, int64_t most_bytes, Bring bring)
    : checkpoint_(checkpoint),
      most_bytes_(most_bytes > 0 ? static_cast<size_t>(most_bytes) : std::numeric_limits<size_t>::max()),
      bring_(std::move(bring)) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// Of a tensor of the last request only the end may be unread. Under the lock.
ReadAhead::Span ReadAhead::unread_part(Span tensor) const {
  const auto same_end = [&](Span other) { return other.data() + other.size() == tensor.data() + tensor.size(); };
  if (std::none_of(asked_.begin(), asked_.end(), same_end)) return tensor;
  const auto rest = std::find_if(wanted_.begin(), wanted_.end(), same_end);
  return rest == wanted_.end() ? Span() : *rest;
}

void ReadAhead::ask(std::span<const std::string> names) noexcept {
  try {
    std::vector<Span> asked, wanted;
    size_t left = most_bytes_;
    for (const std::string& name : names) {
      const Checkpoint::Entry* entry = checkpoint_.find(name);
      if (entry == nullptr || checkpoint_.bytes(*entry).empty()) continue;
      const Span tensor = checkpoint_.bytes(*entry);
      if (tensor.size() > left) break;
      left -= tensor.size();
      asked.push_back(tensor);
    }
    if (!asked.empty() && !thread_.joinable()) thread_ = std::thread([this] { work(); });
    {
      const std::lock_guard lock(mutex_);
      for (const Span tensor : asked) {
        const Span rest = unread_part(tensor);
        if (!rest.empty()) wanted.push_back(rest);
      }
      std::reverse(wanted.begin(), wanted.end());
      asked_ = std::move(asked);
      wanted_ = std::move(wanted);
    }
    changed_.notify_one();
  } catch (...) {  // no memory, or no thread to be had: nothing is read ahead
  }
}

void ReadAhead::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopped_ || !wanted_.empty(); });
    if (stopped_) return;
    Span& rest = wanted_.back();
    const Span piece = rest.first(std::min(rest.size(), kPieceBytes));
    rest = rest.subspan(piece.size());
    if (rest.empty()) wanted_.pop_back();
    lock.unlock();
    try {
      bring_(piece);
    } catch (...) {  // whoever touches these bytes will see what is wrong with them
    }
    lock.lock();
  }
}

}  // namespace prunenet
