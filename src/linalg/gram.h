// Gram matrices at matrix-product speed, with the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "linalg/matrix.h"

namespace prunenet {

/// Upper triangle of G = A^T A, [n, n] for A [m, n]. The strictly lower triangle of the result is unspecified.
/// Cost: m n^2 multiply-adds.
template <typename Real>
Matrix<Real> gram_of_columns(const Matrix<Real>& a);

/// Upper triangle of A A^T, [m, m].
template <typename Real>
Matrix<Real> gram_of_rows(const Matrix<Real>& a);

/// Upper triangle of `gram` -= R^T R, R [r, n]: takes rows out of the Gram matrix of columns.
template <typename Real>
void downdate_gram(const Matrix<Real>& rows, Matrix<Real>& gram);

/// Rows of `a` in the order of `indices`.
template <typename Real>
Matrix<Real> gather_rows(const Matrix<Real>& a, std::span<const int64_t> indices);

/// y [m] = A x, and y [n] = A^T x. Fixed row panels, sums over panels in order.
template <typename Real>
Vector<Real> multiply(const Matrix<Real>& a, const Vector<Real>& x);
template <typename Real>
Vector<Real> multiply_transposed(const Matrix<Real>& a, const Vector<Real>& x);

}  // namespace prunenet
