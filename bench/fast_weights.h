// Random weights that look like those of a language model, made faster than a disk takes them: heavy-tailed singular
// values, rows of different size, a few outlier columns. An entry depends on its address alone, not on the threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace prunenet {

/// Where a tensor's random numbers come from.
struct WeightAddress {
  uint64_t seed;
  uint32_t layer, slot;
};

/// A matrix that is never held: entry (i, j) = 0.02 (row_i col_j noise_ij + sum over 16 k of left_ik right_kj).
class FastMatrix {
 public:
  FastMatrix(const WeightAddress& address, int64_t rows, int64_t cols);

  /// Writes rows [first, first + count) to `out`, row-major, as F32 or BF16. Uses all OpenMP threads.
  void fill_rows(int64_t first, int64_t count, Dtype dtype, std::byte* out) const;

 private:
  void fill_row(int64_t row, Dtype dtype, std::byte* out) const;

  int64_t rows_, cols_, padded_cols_;
  std::vector<float> row_scale_, col_scale_;
  std::vector<float> left_;         // [rows, kRank]
  std::vector<float> right_;        // [kRank, padded cols]
  std::vector<uint32_t> row_keys_;  // [rows, 2]
};

/// A vector of mean + deviation * (near-Gaussian noise), as F32 or BF16.
std::vector<std::byte> fast_vector(const WeightAddress& address, int64_t size, double mean, double deviation,
                                   Dtype dtype);

}  // namespace prunenet
