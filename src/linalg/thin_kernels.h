// The kernels of thin products: fixed numbers of rows against sixteen vectors.
#pragma once

#include <cstdint>

namespace prunenet::kernel {

/// For the rows [first, last) of an upper triangle (row-major, leading dimension lda, order n): z (n - first thin rows,
/// set to zero first) gets, at j - first, all that these rows contribute to entry j of S x.
void symmetric_rows_thin(const float* a, int64_t lda, int64_t n, int64_t first, int64_t last, const float* x, float* z);
void symmetric_rows_thin(const double* a, int64_t lda, int64_t n, int64_t first, int64_t last, const double* x, double* z);

/// z [n thin rows] += alpha R^T (R x) for the `count` rows of n numbers at `rows`.
void gram_rows_thin(const float* const* rows, int64_t count, int64_t n, float alpha, const float* x, float* z);
void gram_rows_thin(const double* const* rows, int64_t count, int64_t n, double alpha, const double* x, double* z);

}  // namespace prunenet::kernel
