// The network's start and its forward pass.
#include "policy/network.h"

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "linalg/gram.h"

namespace prunenet {

template <typename Real>
PolicyNetwork<Real> PolicyNetwork<Real>::initial(int64_t hidden_units, int64_t width, uint64_t seed) {
  const double bound = 1 / std::sqrt(static_cast<double>(width));
  PolicyNetwork network{Matrix<Real>(hidden_units, width), Vector<Real>(hidden_units), Vector<Real>(hidden_units)};
  RandomStream p(seed, RandomStage::kPolicyInit, 0), b(seed, RandomStage::kPolicyInit, 1), q(seed, RandomStage::kPolicyInit, 2);
  for (int64_t i = 0; i < hidden_units; ++i) {
    for (int64_t j = 0; j < width; ++j) network.p(i, j) = static_cast<Real>(p.next_uniform(-bound, bound));
  }
  for (int64_t i = 0; i < hidden_units; ++i) {
    network.b[i] = static_cast<Real>(b.next_uniform(-bound, bound));
    network.q[i] = static_cast<Real>(q.next_open());
  }
  return network;
}

template <typename Real>
Vector<Real> PolicyNetwork<Real>::logits(const Matrix<Real>& w) const {
  PRUNENET_CHECK(w.cols() == width());
  Vector<Real> result = multiply(w, multiply_transposed(p, q));
  result.array() += b.dot(q);
  return result;
}

template struct PolicyNetwork<float>;
template struct PolicyNetwork<double>;

}  // namespace prunenet
