// Sixteen Lanczos runs side by side on one symmetric matrix.
#pragma once

#include <functional>

#include "linalg/thin.h"

namespace prunenet {

/// `multiply(x, y)`: y = S x for thin x, y [n, 16], S symmetric [n, n]; wherever S lies and however it is multiplied.
template <typename Real>
using ThinProduct = std::function<void(const Matrix<Real>& x, Matrix<Real>& y)>;

struct LanczosRuns {
  // [steps, 16] each: column v is the tridiagonal matrix of probe v, as long as lengths[v] says.
  Matrix<double> diagonal, off_diagonal;
  std::vector<int64_t> lengths;  // shorter than `steps` where the Krylov space was exhausted
};

/// `start`: sixteen unit vectors. Reorthogonalised in full, twice, so that eigenvalues that have converged do not come
/// back as copies. Memory: steps + 2 thin matrices. Deterministic, as far as `multiply` is.
template <typename Real>
LanczosRuns lanczos(const ThinProduct<Real>& multiply, const Matrix<Real>& start, int64_t steps);

}  // namespace prunenet
