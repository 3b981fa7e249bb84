// What is known of the inputs of a linear map y = W h: averages over tokens, and nothing of a single token. All that
// choosing and refitting need of a text.
#pragma once

#include <cstdint>
#include <vector>

#include "linalg/matrix.h"

namespace prunenet {

/// F inputs h of a matrix W [D, F].
struct Moments {
  int64_t tokens = 0;        // that were averaged over
  Matrix<float> second;      // E[h h^T] [F, F]: the upper triangle; what lies below it is unspecified
  std::vector<double> mean;  // E[h] [F]

  int64_t width() const { return second.rows(); }
};

/// What the outputs of the map ought to be, token by token: t [D], averaged against the same inputs h.
struct TargetMoments {
  Matrix<float> cross;       // E[t h^T] [D, F]
  std::vector<double> mean;  // E[t] [D]
  double energy = 0;         // E|t|^2
};

}  // namespace prunenet
