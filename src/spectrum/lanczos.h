// Sixteen Lanczos runs side by side on one symmetric matrix.
#pragma once

#include <functional>

#include "linalg/thin.h"

namespace prunenet {

struct LanczosRuns {
  // [steps, 16] each: column v is the tridiagonal matrix of probe v, as long as lengths[v] says.
  Matrix<double> diagonal, off_diagonal;
  std::vector<int64_t> lengths;  // shorter than `steps` where the Krylov space was exhausted
};

/// `multiply(x, y)`: y = S x for thin x, y [n, 16]. `start`: sixteen unit vectors. Reorthogonalised in full, twice, so that
/// eigenvalues that have converged do not come back as copies. Memory: steps + 2 thin matrices. Deterministic.
template <typename Real>
LanczosRuns lanczos(const std::function<void(const Matrix<Real>& x, Matrix<Real>& y)>& multiply, const Matrix<Real>& start,
                    int64_t steps);

}  // namespace prunenet
