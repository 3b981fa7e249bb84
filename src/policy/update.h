// One policy update: the loss of a layer's draw, its gradient in closed form, and a fused AdamW step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policy/network.h"

namespace prunenet {

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
};

/// Loss of a draw: -R sum over kept rows of log o, o = sigmoid(logit + noise); with `kl`, plus the published divergence
/// sum of -(1 - a) log a - a log(1 - a) + log 1/2, a = sigmoid(logit).
struct LogitGradient {
  double loss = 0;             // without the divergence
  double divergence = 0;       // always computed, in the gradient only if asked for
  std::vector<double> values;  // dloss / dlogit [F]: -R (1 - o_i) for kept rows, else 0
};

template <typename Real>
LogitGradient logit_gradient(const Vector<Real>& logits, std::span<const double> noise, std::span<const int64_t> kept,
                             double discounted_reward, bool kl);

/// Gradients of the parameters, all that is not the outer product itself: dP = q g^T, db = q s, dq = P g + b s.
template <typename Real>
struct PolicyGradient {
  Vector<Real> g;  // W^T dlogit [D], each within +-1e18, so that its square stays finite in f32
  Real s = 0;      // sum of dlogit
  Vector<Real> dq; // [H]
};

template <typename Real>
PolicyGradient<Real> policy_gradient(const PolicyNetwork<Real>& network, const Matrix<Real>& w,
                                     std::span<const double> dlogit);

/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with decoupled decay, bias-corrected as torch.optim.AdamW does.
/// The gradient of P is formed an element at a time and never stored: one pass over P and its two moments.
template <typename Real>
class AdamW {
 public:
  AdamW(const PolicyNetwork<Real>& network, AdamWOptions options);
  void step(PolicyNetwork<Real>& network, const PolicyGradient<Real>& gradient);

  /// The state, to be saved and put back: both moments in the network's shapes, and the steps taken.
  const PolicyNetwork<Real>& first() const { return first_; }
  const PolicyNetwork<Real>& second() const { return second_; }
  PolicyNetwork<Real>& first() { return first_; }
  PolicyNetwork<Real>& second() { return second_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  AdamWOptions options_;
  int64_t steps_ = 0;
  PolicyNetwork<Real> first_, second_;  // the moments, in the network's shapes
};

}  // namespace prunenet
