// Products of large matrices with a handful of vectors at once: each stored number is read once for all of them.
#pragma once

#include <span>

#include "linalg/block.h"

namespace prunenet {

/// Vectors that are multiplied at once. A thin matrix is [n, kThinVectors], row-major.
inline constexpr int64_t kThinVectors = 16;

/// y [n, 16] = S x, S [n, n] symmetric with its upper triangle stored. Row panels of fixed size, their parts summed in
/// order: the same bits for any number of threads. Cost: 16 n^2 multiply-adds, half of S read.
template <typename Real>
void multiply_symmetric_thin(Block<const Real> s, const Matrix<Real>& x, Matrix<Real>& y);

/// y [n, 16] += alpha R^T (R x), R [r, n] the `rows` of `a` [m, n]; nothing is gathered. Cost: 32 r n multiply-adds, R
/// read once (its rows stay in the cache for the second half).
template <typename Real>
void add_gram_product_thin(Block<const Real> a, std::span<const int64_t> rows, Real alpha, const Matrix<Real>& x,
                           Matrix<Real>& y);

/// Column sums of xs[k] .* y, all of them [n, 16]: [xs.size(), 16], sixteen inner products a row, in f64. Fixed row panels.
template <typename Real>
Matrix<double> thin_inner_products(std::span<const Matrix<Real>> xs, const Matrix<Real>& y);

/// y -= the sum of xs[k], column v of it times factors(k, v). All of them [n, 16], factors [xs.size(), 16].
template <typename Real>
void subtract_thin(std::span<const Matrix<Real>> xs, const Matrix<Real>& factors, Matrix<Real>& y);

}  // namespace prunenet
