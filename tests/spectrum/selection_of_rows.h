// Choices of rows for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace prunenet::test {

/// `count` of the rows, ascending; another seed, another choice.
inline std::vector<int64_t> some_rows(int64_t rows, int64_t count, uint32_t seed) {
  RandomStream stream(seed, RandomStage::kBench);
  std::vector<int64_t> kept;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t wanted = count - static_cast<int64_t>(kept.size());
    if (static_cast<int64_t>(stream.next_u32() % static_cast<uint32_t>(rows - row)) < wanted) kept.push_back(row);
  }
  return kept;
}

/// The rows that an ascending list leaves out.
inline std::vector<int64_t> all_but(const std::vector<int64_t>& kept, int64_t rows) {
  std::vector<int64_t> others;
  for (int64_t row = 0; row < rows; ++row) {
    if (!std::binary_search(kept.begin(), kept.end(), row)) others.push_back(row);
  }
  return others;
}

}  // namespace prunenet::test
