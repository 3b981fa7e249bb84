// The closed-form gradient against finite differences of the loss; AdamW against its definition; extremes stay finite.
#include <cmath>

#include "base/random.h"
#include "policy/sampler.h"
#include "policy/update.h"
#include "support/support.h"

namespace prunenet {
namespace {

struct Case {
  PolicyNetwork<double> network = PolicyNetwork<double>::initial(7, 5, 11);
  Matrix<double> w = Matrix<double>::Zero(9, 5);
  std::vector<double> noise = logistic_noise(9, 3, RandomStage::kPolicyUpdate, 0, 0);
  std::vector<int64_t> kept{0, 2, 3, 7, 8};

  Case() {
    RandomStream stream(5, RandomStage::kBench);
    for (double& x : w.reshaped()) x = stream.next_uniform(-1, 1);
  }
  double loss(bool kl) const {
    const LogitGradient result = logit_gradient(network.logits(w), noise, kept, 2.5, kl);
    return result.loss + (kl ? result.divergence : 0);
  }
};

// Central differences in f64: error about h^2, plus eps / h.
constexpr double kStep = 1e-5, kTolerance = 1e-7;

void expect_matches_finite_differences(bool kl) {
  Case c;
  const LogitGradient by_logit = logit_gradient(c.network.logits(c.w), c.noise, c.kept, 2.5, kl);
  const PolicyGradient<double> gradient = policy_gradient(c.network, c.w, by_logit.values);
  const Matrix<double> dp = c.network.q * gradient.g.transpose();
  const auto check = [&](double& parameter, double expected) {
    const double value = parameter;
    parameter = value + kStep;
    const double above = c.loss(kl);
    parameter = value - kStep;
    const double below = c.loss(kl);
    parameter = value;
    EXPECT_NEAR((above - below) / (2 * kStep), expected, kTolerance);
  };
  for (int64_t i = 0; i < c.network.hidden_units(); ++i) {
    for (int64_t j = 0; j < c.network.width(); ++j) check(c.network.p(i, j), dp(i, j));
    const double db = c.network.q[i] * gradient.s;
    check(c.network.b[i], db);
    check(c.network.q[i], gradient.dq[i]);
  }
}

TEST(PolicyGradient, EqualsFiniteDifferencesOfTheLoss) { expect_matches_finite_differences(false); }

TEST(PolicyGradient, EqualsFiniteDifferencesWithTheDivergence) { expect_matches_finite_differences(true); }

TEST(PolicyGradient, TheDivergenceIsZeroOnlyAtOneHalf) {
  const std::vector<double> noise(3, 0.0);
  Vector<double> logits(3);
  logits << 0, 0, 0;
  EXPECT_NEAR(logit_gradient(logits, noise, {}, 1, true).divergence, 0, 1e-15);
  logits << 0.5, -2, 30;
  EXPECT_GT(logit_gradient(logits, noise, {}, 1, true).divergence, 0.1);
}

TEST(PolicyGradient, LogitsAsPublishedInTheSlowOrder) {
  const Case c;
  const Matrix<double> a = (c.w * c.network.p.transpose()).rowwise() + c.network.b.transpose();  // W P^T + b
  const Vector<double> slow = a * c.network.q;
  EXPECT_LT((slow - c.network.logits(c.w)).cwiseAbs().maxCoeff(), 1e-14);
}

TEST(PolicyGradient, ExtremeLogitsGiveFiniteLossesAndGradients) {
  Vector<double> logits(6);
  logits << -1e300, -800, -40, 40, 800, 1e300;
  const std::vector<double> noise(6, 36.0);
  const LogitGradient gradient = logit_gradient(logits, noise, std::vector<int64_t>{0, 1, 2, 3, 4, 5}, 99999, true);
  EXPECT_TRUE(std::isfinite(gradient.loss));
  for (double value : gradient.values) EXPECT_TRUE(std::isfinite(value));
}

TEST(AdamW, FollowsItsDefinitionForTwoSteps) {
  PolicyNetwork<double> network = PolicyNetwork<double>::initial(2, 2, 1);
  const PolicyNetwork<double> start = network;
  const AdamWOptions options;
  AdamW<double> optimiser(network, options);
  PolicyGradient<double> gradient{Vector<double>(2), 0.25, Vector<double>(2)};
  gradient.g << 3, -4;
  gradient.dq << 0, -1e-3;
  double p = start.p(0, 1), m = 0, v = 0;
  for (int t = 1; t <= 2; ++t) {
    const double g = network.q[0] * gradient.g[1];
    optimiser.step(network, gradient);
    p -= options.learning_rate * options.weight_decay * p;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    p -= options.learning_rate * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(network.p(0, 1), p, 1e-15);
  }
  EXPECT_NEAR(network.q[0], start.q[0] * (1 - 1e-5) * (1 - 1e-5), 1e-15);  // no gradient: decay alone
}

TEST(AdamW, HugeGradientsInF32NeverBecomeNan) {
  PolicyNetwork<float> network = PolicyNetwork<float>::initial(4, 3, 1);
  AdamW<float> optimiser(network, {});
  const Matrix<float> w = Matrix<float>::Constant(5, 3, 1e30f);
  const std::vector<double> dlogit(5, -99999.0);
  for (int step = 0; step < 50; ++step) optimiser.step(network, policy_gradient(network, w, dlogit));
  EXPECT_TRUE(network.p.allFinite() && network.b.allFinite() && network.q.allFinite());
}

}  // namespace
}  // namespace prunenet
