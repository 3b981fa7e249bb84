// PruneNet's policy network: one for all layers, linear from a layer's weights to a logit for each neuron.
// Source: Sengupta et al. 2025, "You Only Prune Once" (arXiv 2501.15296), section 3; in logits throughout, where the
// published code takes the logarithm of a rounded sigmoid and ends in NaN.
#pragma once

#include <cstdint>

#include "linalg/matrix.h"

namespace prunenet {

/// H hidden units (the FFN width it was trained on), D the model's width.
template <typename Real>
struct PolicyNetwork {
  Matrix<Real> p;  // P [H, D]
  Vector<Real> b;  // b [H]
  Vector<Real> q;  // q [H], named r in the published code

  int64_t hidden_units() const { return p.rows(); }
  int64_t width() const { return p.cols(); }

  /// As published: P and b uniform in +-1/sqrt(D), q uniform in (0, 1).
  static PolicyNetwork initial(int64_t hidden_units, int64_t width, uint64_t seed);

  /// logit = W (P^T q) + b.q for each row of W [F, D]; any F. Cost F D + H D, where the published order, (W P^T + b) q,
  /// costs F H D.
  Vector<Real> logits(const Matrix<Real>& w) const;
};

}  // namespace prunenet
