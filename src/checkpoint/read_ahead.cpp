// The thread, and how a piece of a mapping is brought into memory.
#include "checkpoint/read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace prunenet {
namespace {

// Populating reads as a touch of every page would, but gives an error where that would be a signal. MADV_WILLNEED was
// no help: of each call the kernel reads no more than the read-ahead of the device, and into single pages, which took
// longer to map than large ones take to read. Kernels before 5.14 know no populating: nothing is read ahead there.
void populate(std::span<const std::byte> piece) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(piece.data());
  const uintptr_t begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address + piece.size() - begin, MADV_POPULATE_READ);
}

}  // namespace

ReadAhead::ReadAhead(const Checkpoint& checkpoint) : ReadAhead(checkpoint, populate) {}

ReadAhead::ReadAhead(const Checkpoint& checkpoint, Bring bring) : checkpoint_(checkpoint), bring_(std::move(bring)) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ReadAhead::ask(std::span<const std::string> names) noexcept {
  try {
    std::vector<std::span<const std::byte>> wanted;
    for (const std::string& name : names) {
      const Checkpoint::Entry* entry = checkpoint_.find(name);
      if (entry != nullptr && !checkpoint_.bytes(*entry).empty()) wanted.push_back(checkpoint_.bytes(*entry));
    }
    std::reverse(wanted.begin(), wanted.end());
    if (!wanted.empty() && !thread_.joinable()) thread_ = std::thread([this] { work(); });
    {
      const std::lock_guard lock(mutex_);
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
    std::span<const std::byte>& rest = wanted_.back();
    const std::span<const std::byte> piece = rest.first(std::min(rest.size(), kPieceBytes));
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
