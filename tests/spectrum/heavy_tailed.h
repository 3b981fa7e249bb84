// Matrices whose spectra fall off as those of a model's layers do.
#pragma once

#include <cmath>
#include <cstdint>

#include "linalg/matrices.h"

namespace prunenet::test {

/// Rows of different sizes, columns that fall off as a power, some columns that stick out: what gates look like.
inline Matrix<float> heavy_tailed(int64_t rows, int64_t cols, double power, uint32_t seed) {
  Matrix<float> w = random_matrix<float>(rows, cols, seed);
  const Matrix<double> sizes = random_matrix<double>(rows, 1, seed + 1);
  for (int64_t j = 0; j < cols; ++j) {
    w.col(j) *= static_cast<float>(std::pow(1 + static_cast<double>(j), -power) * (j % 97 == 5 ? 8 : 1));
  }
  for (int64_t i = 0; i < rows; ++i) w.row(i) *= static_cast<float>(std::exp(0.4 * sizes(i, 0)));
  return w;
}

}  // namespace prunenet::test
