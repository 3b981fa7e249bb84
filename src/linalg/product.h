// Matrix products at full speed on fixed tiles: the same bits for any number of threads.
#pragma once

#include "linalg/block.h"

namespace prunenet {

enum class Transpose { kNo, kYes };

/// c [m, n] = alpha op(a) op(b) + beta c. beta = 0 overwrites whatever c holds. Cost: m n k multiply-adds.
template <typename Real>
void product(Transpose transpose_a, Transpose transpose_b, Real alpha, Block<const Real> a, Block<const Real> b,
             Real beta, Block<Real> c);

/// Upper triangle of c [n, n] = alpha a^T b + beta c, a and b [k, n], where that is symmetric (or to be made so by a
/// second call). The strictly lower triangle of the result is unspecified. Cost: about k n^2 / 2 multiply-adds.
template <typename Real>
void symmetric_product(Real alpha, Block<const Real> a, Block<const Real> b, Real beta, Block<Real> c);

/// out [m, n] -= x [m, n] s, s [n, n] symmetric with its upper triangle stored. Cost: m n^2 multiply-adds.
template <typename Real>
void subtract_product_with_symmetric(Block<const Real> x, Block<const Real> s, Block<Real> out);

/// tr(x s x^T), x [m, n], s [n, n] symmetric with its upper triangle stored. Products in Real, sums over tiles in f64.
/// Cost: m n^2 / 2 multiply-adds.
template <typename Real>
double quadratic_trace(Block<const Real> x, Block<const Real> s);

/// Sum of x_ij y_ij, in f64, row by row.
template <typename Real>
double inner_product(Block<const Real> x, Block<const Real> y);

}  // namespace prunenet
