// All eigenvalues of a symmetric matrix, and all singular values of any matrix.
#pragma once

#include <vector>

#include "linalg/matrix.h"

namespace prunenet {

struct Eigenvalues {
  std::vector<double> values;  // ascending
  bool converged = true;
};

/// Eigenvalues of the symmetric matrix whose upper triangle is `a` [n, n]; destroys `a`.
/// Householder tridiagonalisation, blocked after Dongarra, Sorensen and Hammarling (1989; LAPACK's sytrd), with the
/// matrix-vector products and rank updates on fixed tiles: the same bits for any number of threads, which LAPACK over a
/// threaded BLAS does not give. Then LAPACK's sterf. Cost: 4/3 n^3, half of it at memory speed.
/// Error: a small multiple of eps times the largest eigenvalue in size.
template <typename Real>
Eigenvalues symmetric_eigenvalues(Matrix<Real>& a);

struct SingularValues {
  std::vector<double> values;  // descending, min(m, n) of them
  bool converged = true;
};

/// Singular values by LAPACK's gesdd, without a Gram matrix; destroys `a`. Small values keep full relative-to-largest
/// accuracy, at about ten times the cost of the Gram route.
template <typename Real>
SingularValues singular_values_direct(Matrix<Real>& a);

}  // namespace prunenet
