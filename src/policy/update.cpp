// The policy gradient and AdamW.
#include "policy/update.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "linalg/gram.h"
#include "linalg/parallel.h"
#include "policy/adamw_kernel.h"
#include "policy/sampler.h"

namespace prunenet {

template <typename Real>
LogitGradient logit_gradient(const Vector<Real>& logits, std::span<const double> noise, std::span<const int64_t> kept,
                             double discounted_reward, bool kl) {
  const auto n = static_cast<size_t>(logits.size());
  LogitGradient gradient;
  gradient.values.assign(n, 0.0);
  for (int64_t row : kept) {
    const auto i = static_cast<size_t>(row);
    const double x = static_cast<double>(logits[row]) + noise[i];
    gradient.loss += discounted_reward * softplus(-x);          // -R log sigmoid(x)
    gradient.values[i] = -discounted_reward * sigmoid(-x);      // -R (1 - sigmoid(x)), without cancellation
  }
  for (size_t i = 0; i < n; ++i) {
    const double z = static_cast<double>(logits[static_cast<int64_t>(i)]);
    const double a = sigmoid(z), not_a = sigmoid(-z);
    gradient.divergence += not_a * softplus(-z) + a * softplus(z) - std::log(2.0);
    if (kl) gradient.values[i] += a * not_a * z + a - not_a;
  }
  return gradient;
}

template <typename Real>
PolicyGradient<Real> policy_gradient(const PolicyNetwork<Real>& network, const Matrix<Real>& w,
                                     std::span<const double> dlogit) {
  PRUNENET_CHECK(static_cast<int64_t>(dlogit.size()) == w.rows());
  constexpr double kBound = 1e18;
  Vector<Real> d(w.rows());
  double sum = 0;
  for (size_t i = 0; i < dlogit.size(); ++i) {
    d[static_cast<int64_t>(i)] = static_cast<Real>(dlogit[i]);
    sum += dlogit[i];
  }
  PolicyGradient<Real> gradient;
  gradient.g = multiply_transposed(w, d).cwiseMax(Real(-kBound)).cwiseMin(Real(kBound));
  gradient.s = static_cast<Real>(sum);
  gradient.dq = multiply(network.p, gradient.g) + network.b * gradient.s;
  gradient.dq = gradient.dq.cwiseMax(Real(-kBound)).cwiseMin(Real(kBound));
  return gradient;
}

template <typename Real>
AdamW<Real>::AdamW(const PolicyNetwork<Real>& network, AdamWOptions options) : options_(options) {
  const int64_t h = network.hidden_units(), d = network.width();
  first_ = {Matrix<Real>::Zero(h, d), Vector<Real>::Zero(h), Vector<Real>::Zero(h)};
  second_ = first_;
}

template <typename Real>
void AdamW<Real>::step(PolicyNetwork<Real>& network, const PolicyGradient<Real>& gradient) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const kernel::AdamWFactors<Real> factors{static_cast<Real>(1 - options_.learning_rate * options_.weight_decay),
                                           static_cast<Real>(options_.beta1),
                                           static_cast<Real>(options_.beta2),
                                           static_cast<Real>(options_.learning_rate / (1 - std::pow(options_.beta1, t))),
                                           static_cast<Real>(std::sqrt(1 - std::pow(options_.beta2, t))),
                                           static_cast<Real>(options_.epsilon)};
  const int64_t h = network.hidden_units(), d = network.width();
  const Real* g = gradient.g.data();
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (h * d > (1 << 16))
  for (int64_t i = 0; i < h; ++i) {
    const Real qi = network.q[i];  // before its own step
    kernel::adamw_run(factors, d, qi, g, network.p.data() + i * d, first_.p.data() + i * d, second_.p.data() + i * d);
    kernel::adamw_run(factors, 1, qi, &gradient.s, &network.b[i], &first_.b[i], &second_.b[i]);
    kernel::adamw_run(factors, 1, Real{1}, &gradient.dq[i], &network.q[i], &first_.q[i], &second_.q[i]);
  }
}

#define PRUNENET_INSTANTIATE(Real)                                                                                        \
  template LogitGradient logit_gradient<Real>(const Vector<Real>&, std::span<const double>, std::span<const int64_t>,    \
                                              double, bool);                                                              \
  template PolicyGradient<Real> policy_gradient<Real>(const PolicyNetwork<Real>&, const Matrix<Real>&,                   \
                                                      std::span<const double>);                                           \
  template class AdamW<Real>;
PRUNENET_INSTANTIATE(float)
PRUNENET_INSTANTIATE(double)
#undef PRUNENET_INSTANTIATE

}  // namespace prunenet
