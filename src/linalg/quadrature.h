// Gauss quadrature from a tridiagonal matrix (Golub and Welsch 1969).
#pragma once

#include <span>
#include <vector>

namespace prunenet {

struct Quadrature {
  std::vector<double> nodes;    // ascending
  std::vector<double> weights;  // of each node, none negative; they sum to 1
};

/// Nodes: the eigenvalues of the symmetric tridiagonal matrix with this diagonal [s] and off-diagonal (its first s - 1
/// numbers). Weights: squares of the first entries of its eigenvectors. s >= 1. Cost: about 6 s^3.
/// Empty where LAPACK's stev does not settle.
Quadrature gauss_quadrature(std::span<const double> diagonal, std::span<const double> off_diagonal);

}  // namespace prunenet
