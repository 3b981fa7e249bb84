// malloc's settings.
#include "runtime/memory.h"

#include <malloc.h>

#include <limits>

namespace prunenet {

void keep_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

void give_memory_back() {
  malloc_trim(0);
}

}  // namespace prunenet
