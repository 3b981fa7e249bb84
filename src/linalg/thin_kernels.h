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

/// sums [16] = the column sums of x .* y, both `count` thin rows.
void inner_products_thin(const float* x, const float* y, int64_t count, float* sums);
void inner_products_thin(const double* x, const double* y, int64_t count, double* sums);

/// y -= x, column v of it times factors[v]; both `count` thin rows.
void subtract_thin(const float* x, const float* factors, int64_t count, float* y);
void subtract_thin(const double* x, const double* factors, int64_t count, double* y);

}  // namespace prunenet::kernel
