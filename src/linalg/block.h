// A rectangle inside a row-major matrix.
#pragma once

#include <cstdint>

#include "linalg/matrix.h"

namespace prunenet {

/// rows x cols numbers at `data`, rows `stride` numbers apart. Refers to a matrix that must outlive it.
template <typename Real>
struct Block {
  Real* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  operator Block<const Real>() const { return {data, rows, cols, stride}; }
  Real* row(int64_t i) const { return data + i * stride; }
  Block part(int64_t first_row, int64_t num_rows, int64_t first_col, int64_t num_cols) const {
    return {data + first_row * stride + first_col, num_rows, num_cols, stride};
  }
};

template <typename Real>
Block<const Real> block_of(const Matrix<Real>& matrix) {
  return {matrix.data(), matrix.rows(), matrix.cols(), matrix.cols()};
}
template <typename Real>
Block<Real> block_of(Matrix<Real>& matrix) {
  return {matrix.data(), matrix.rows(), matrix.cols(), matrix.cols()};
}
template <typename Real>
Block<const Real> as_const(const Block<Real>& block) {
  return {block.data, block.rows, block.cols, block.stride};
}

}  // namespace prunenet
