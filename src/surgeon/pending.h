// The kernel that bounds an elimination between two matrix products: what the removals of the current block have
// changed in one row of H and one of A.
#pragma once

#include <cstdint>

namespace prunenet::kernel {

/// For the columns [first, last) and k = 0 .. count - 1 in order:
/// h[j] -= of_r[k] t[k][j], a[j] -= of_u[k] t[k][j] + of_t[k] u[k][j]; t and u have rows `stride` numbers apart.
void subtract_pending(const float* t, const float* u, int64_t stride, int64_t count, const float* of_r,
                      const float* of_u, const float* of_t, int64_t first, int64_t last, float* h, float* a);
void subtract_pending(const double* t, const double* u, int64_t stride, int64_t count, const double* of_r,
                      const double* of_u, const double* of_t, int64_t first, int64_t last, double* h, double* a);

}  // namespace prunenet::kernel
