// One walk along the kept rows.
#include "spectrum/removed_rows.h"

namespace prunenet {

std::vector<int64_t> removed_rows(std::span<const int64_t> kept, int64_t count) {
  std::vector<int64_t> removed;
  size_t next = 0;
  for (int64_t row = 0; row < count; ++row) {
    if (next < kept.size() && kept[next] == row) {
      ++next;
    } else {
      removed.push_back(row);
    }
  }
  return removed;
}

}  // namespace prunenet
