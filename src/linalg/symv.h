// The kernel that bounds tridiagonalisation: a symmetric matrix times a vector, each stored element read once.
#pragma once

#include <cstdint>

namespace prunenet::kernel {

/// For the rows [first, last) of an upper triangle (row-major, leading dimension lda, order n):
/// dots[i] = sum over j >= i of A[i][j] x[j], and z[j - first] += sum over i < j of A[i][j] x[i], for j in [first, n).
/// z (n - first numbers) is set to zero first.
void symv_rows(const float* a, int64_t lda, int64_t n, int64_t first, int64_t last, const float* x, float* dots, float* z);
void symv_rows(const double* a, int64_t lda, int64_t n, int64_t first, int64_t last, const double* x, double* dots, double* z);

}  // namespace prunenet::kernel
