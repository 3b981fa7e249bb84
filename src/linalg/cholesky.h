// Symmetric positive definite matrices: factor, solve, invert, on fixed tiles: the same bits for any number of threads.
#pragma once

#include "linalg/block.h"

namespace prunenet {

/// a = U^T U: the upper triangle of `a` [n, n] becomes U; what lies below is left alone. False, and `a` spoilt, when
/// `a` is not positive definite to working precision (or not finite). Right-looking, in blocks. Cost: n^3 / 3 flops.
/// Error: U^T U = a + E, |E| at most about n u |a| (Higham 2002, theorem 10.3), far less in practice.
template <typename Real>
bool cholesky(Block<Real> a);

/// x becomes x a^-1, x [m, n], for a = U^T U [n, n] as cholesky leaves it. Cost: 2 m n^2 flops.
template <typename Real>
void solve_with_cholesky(Block<const Real> u, Block<Real> x);

/// The upper triangle of `a` becomes that of its inverse; what lies below is unspecified. False, and `a` spoilt, when
/// `a` is not positive definite to working precision. Block sweeps (Gauss-Jordan without pivots: Goodnight 1979, "A
/// tutorial on the SWEEP operator"): one matrix product for each block, where factor-and-multiply needs three different
/// kernels. Cost: n^3 flops. Error: a small multiple of cond(a) u, relative to the inverse, as by Cholesky; see the
/// test.
template <typename Real>
bool invert_positive_definite(Block<Real> a);

}  // namespace prunenet
