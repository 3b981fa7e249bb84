// Asking the kernel for the bytes of a cut before they are needed: page faults alone read a disk in small steps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "slice/slice.h"

namespace prunenet {

/// Follows the sources of a plan's tensors in their order, some MiB before what is worked on. Takes no memory of its
/// own: pages come into the page cache. Does nothing where the bytes are there already.
class ReadAhead {
 public:
  ReadAhead(const Checkpoint& checkpoint, const SlicePlan& plan) : checkpoint_(checkpoint), plan_(plan) {}

  /// `size_bytes` more of the sources are being worked on.
  void advance(size_t size_bytes);

 private:
  const Checkpoint& checkpoint_;
  const SlicePlan& plan_;
  uint64_t begun_bytes_ = 0, asked_bytes_ = 0;
  size_t cut_ = 0, offset_bytes_ = 0;  // what is asked for next
};

}  // namespace prunenet
