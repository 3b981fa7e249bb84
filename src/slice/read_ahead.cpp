// ReadAhead: madvise in steps, over the ends of tensors.
#include "slice/read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace prunenet {
namespace {

constexpr uint64_t kDistanceBytes = uint64_t{32} << 20;
constexpr size_t kStepBytes = size_t{4} << 20;

// A hint: where the kernel does not take it, page faults read as ever.
void ask_for(std::span<const std::byte> bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address + bytes.size() - begin, MADV_WILLNEED);
}

}  // namespace

void ReadAhead::advance(size_t size_bytes) {
  begun_bytes_ += size_bytes;
  while (cut_ < plan_.cuts.size() && asked_bytes_ < begun_bytes_ + kDistanceBytes) {
    const TensorCut& cut = plan_.cuts[cut_];
    const bool is_mapped = cut.replaced.empty();
    const auto bytes = is_mapped ? checkpoint_.bytes(checkpoint_.tensors()[cut.source]) : cut.replaced;
    const size_t step = std::min(kStepBytes, bytes.size() - offset_bytes_);
    if (is_mapped && step > 0) ask_for(bytes.subspan(offset_bytes_, step));
    offset_bytes_ += step;
    asked_bytes_ += step;
    if (offset_bytes_ == bytes.size()) ++cut_, offset_bytes_ = 0;
  }
}

}  // namespace prunenet
