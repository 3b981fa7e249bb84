// The published policy, number by number: every quantity of three episodes over three layers, in f64 and f32.
#include <cmath>
#include <nlohmann/json.hpp>

#include "policy/policy_golden.h"
#include "policy/reward.h"
#include "policy/sampler.h"
#include "policy/update.h"
#include "spectrum/ks.h"
#include "spectrum/spectrum.h"
#include "support/support.h"

namespace prunenet {
namespace {

// Largest |a - b| relative to the largest |b|: small entries of a large vector carry the rounding of the large ones.
template <typename A, typename B>
double relative_difference(const A& a, const B& b) {
  double difference = 0, size = 0;
  for (Eigen::Index i = 0; i < b.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
    size = std::max(size, std::abs(static_cast<double>(b.data()[i])));
  }
  return size == 0 ? difference : difference / size;
}

Eigen::Map<const Vector<double>> as_vector(const std::vector<double>& values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

template <typename Real>
void follow_the_whole_trajectory(const std::string& name, double tolerance) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const test::PolicyGolden<Real> fixture(data / "policy_golden", name);
  PolicyNetwork<Real> network{fixture.matrix("P0"), fixture.vector("b0"), fixture.vector("r0")};
  AdamW<Real> optimiser(network, AdamWOptions{});
  std::vector<Matrix<Real>> w;
  std::vector<RowSpectrum<Real>> spectra;
  for (int64_t l = 0; l < 3; ++l) w.push_back(fixture.matrix("W." + std::to_string(l)));
  for (int64_t l = 0; l < 3; ++l) {
    spectra.emplace_back(w[static_cast<size_t>(l)]);
    const auto sigma = spectra.back().all().singular_values;
    EXPECT_LT(relative_difference(as_vector(sigma), fixture.vector("sigma." + std::to_string(l))), tolerance);
  }
  for (int64_t e = 0; e < 3; ++e) {
    std::vector<double> rewards;
    for (int64_t l = 0; l < 3; ++l) {
      SCOPED_TRACE("episode " + std::to_string(e) + " layer " + std::to_string(l));
      const std::string at = "e" + std::to_string(e) + ".l" + std::to_string(l) + ".";
      const Vector<Real> logits = network.logits(w[static_cast<size_t>(l)]);
      std::vector<double> alpha, keep = log_keep_probabilities(logits, fixture.noise(e, l, 0));
      for (Real z : logits) alpha.push_back(sigmoid(static_cast<double>(z)));
      for (double& o : keep) o = std::exp(o);
      EXPECT_LT(relative_difference(as_vector(alpha), fixture.vector(at + "act.alpha")), tolerance);
      EXPECT_LT(relative_difference(as_vector(keep), fixture.vector(at + "act.keep_probs")), tolerance);

      const Spectrum kept = spectra[static_cast<size_t>(l)].kept(fixture.rows(e, l));
      EXPECT_LT(relative_difference(as_vector(kept.singular_values), fixture.vector(at + "sigma")), tolerance);
      const double ks = ks_statistic(spectra[static_cast<size_t>(l)].all().singular_values, kept.singular_values);
      EXPECT_EQ(ks, fixture.scalar(e, "ks", l));  // a quotient of small whole numbers: exact
      EXPECT_EQ(spectrum_reward(ks), fixture.scalar(e, "rewards", l));
      rewards.push_back(discounted_reward(spectrum_reward(ks), l, 0.99));
      EXPECT_DOUBLE_EQ(rewards.back(), fixture.scalar(e, "discounted", l));
    }
    for (int64_t l = 0; l < 3; ++l) {
      SCOPED_TRACE("update of episode " + std::to_string(e) + " layer " + std::to_string(l));
      const std::string at = "e" + std::to_string(e) + ".l" + std::to_string(l) + ".";
      const Matrix<Real>& weights = w[static_cast<size_t>(l)];
      const LogitGradient loss = logit_gradient(network.logits(weights), fixture.noise(e, l, 1), fixture.rows(e, l),
                                                rewards[static_cast<size_t>(l)], false);
      EXPECT_NEAR(loss.loss / fixture.scalar(e, "losses", l), 1, tolerance);
      EXPECT_NEAR(loss.divergence / fixture.scalar(e, "kld", l), 1, tolerance);
      const PolicyGradient<Real> gradient = policy_gradient(network, weights, loss.values);
      const Matrix<Real> grad_p = network.q * gradient.g.transpose();
      const Vector<Real> grad_b = network.q * gradient.s;
      EXPECT_LT(relative_difference(grad_p, fixture.matrix(at + "grad_P")), tolerance);
      EXPECT_LT(relative_difference(grad_b, fixture.vector(at + "grad_b")), tolerance);
      EXPECT_LT(relative_difference(gradient.dq, fixture.vector(at + "grad_r")), tolerance);
      optimiser.step(network, gradient);
      EXPECT_LT(relative_difference(network.p, fixture.matrix(at + "P")), tolerance);
      EXPECT_LT(relative_difference(network.b, fixture.vector(at + "b")), tolerance);
      EXPECT_LT(relative_difference(network.q, fixture.vector(at + "r")), tolerance);
    }
  }
}

TEST(PolicyGolden, EveryQuantityInF64Within1e9) { follow_the_whole_trajectory<double>("f64", 1e-9); }

TEST(PolicyGolden, EveryQuantityInF32Within1e4) { follow_the_whole_trajectory<float>("f32", 1e-4); }

}  // namespace
}  // namespace prunenet
