// Random numbers: the known answers of Philox, what an address means, and the distributions.
#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <vector>

#include "support/support.h"

namespace prunenet {
namespace {

using Block = std::array<uint32_t, 4>;

// From kat_vectors of the Random123 distribution: counter, key, answer of philox4x32 with 10 rounds.
TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The results of a seed depend on this layout: it must never change.
TEST(RandomStream, CountsBlocksOfTheCounterMadeOfStageLayerAndStep) {
  const uint64_t seed = 0x0123456789abcdef;
  RandomStream stream(seed, RandomStage::kPolicyUpdate, 7, 9);
  for (uint32_t block = 0; block < 3; ++block) {
    for (uint32_t expected : philox4x32({block, 3, 7, 9}, {0x89abcdef, 0x01234567})) {
      EXPECT_EQ(stream.next_u32(), expected);
    }
  }
}

TEST(RandomStream, StageNumbersStayWhatTheyWere) {
  const std::vector<RandomStage> stages{
      RandomStage::kPolicyInit,   RandomStage::kPolicyAct,   RandomStage::kPolicyUpdate,
      RandomStage::kPolicySample, RandomStage::kPolicyPrune, RandomStage::kRandomSelection,
      RandomStage::kDemoModel,    RandomStage::kBench,       RandomStage::kPolicyPruneSample};
  for (size_t i = 0; i < stages.size(); ++i) EXPECT_EQ(static_cast<size_t>(stages[i]), i + 1);
}

TEST(RandomStream, StreamsOfDifferentAddressesDifferAndOfTheSameAgree) {
  std::set<std::vector<uint32_t>> seen;
  size_t addresses = 0;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (RandomStage stage : {RandomStage::kPolicyAct, RandomStage::kPolicyPrune}) {
      for (uint32_t layer : {0u, 1u, 79u}) {
        for (uint32_t step : {0u, 1u, 100000u}) {
          RandomStream stream(seed, stage, layer, step), again(seed, stage, layer, step);
          std::vector<uint32_t> draws;
          for (int i = 0; i < 9; ++i) draws.push_back(stream.next_u32());
          for (uint32_t draw : draws) EXPECT_EQ(draw, again.next_u32());
          seen.insert(draws);
          ++addresses;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), addresses);
}

// 52 bits of two draws, in the middle of their cell: 0 becomes 2^-53 and the largest 1 - 2^-53.
TEST(RandomStream, OpenUniformIsMadeOfTwoDrawsAndNeverReachesItsEnds) {
  RandomStream stream(5, RandomStage::kBench), words(5, RandomStage::kBench);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t high = words.next_u32(), low = words.next_u32();
    const double expected = std::ldexp(static_cast<double>(high), -32) +
                            std::ldexp(static_cast<double>(low / 4096), -52) + std::ldexp(1.0, -53);
    const double found = stream.next_open();
    ASSERT_EQ(found, expected);
    ASSERT_GT(found, 0.0);
    ASSERT_LT(found, 1.0);
  }
}

// Largest distance between the empirical and the expected distribution function.
double ks_distance(std::vector<double> sample, const std::function<double(double)>& cdf) {
  std::sort(sample.begin(), sample.end());
  const double n = static_cast<double>(sample.size());
  double distance = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double expected = cdf(sample[i]), rank = static_cast<double>(i);
    distance = std::max({distance, expected - rank / n, (rank + 1) / n - expected});
  }
  return distance;
}

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(const std::vector<double>& sample) {
  Moments result;
  for (double x : sample) result.mean += x / static_cast<double>(sample.size());
  for (double x : sample) result.variance += (x - result.mean) * (x - result.mean) / static_cast<double>(sample.size());
  return result;
}

constexpr size_t kDraws = 400000;
// Kolmogorov: beyond 1.95 / sqrt(n) with probability 0.001. The seeds are fixed, so a pass stays a pass.
const double kKsLimit = 1.95 / std::sqrt(static_cast<double>(kDraws));

std::vector<double> draw(const std::function<double(RandomStream&)>& next) {
  RandomStream stream(20240607, RandomStage::kBench, 3);
  std::vector<double> sample(kDraws);
  for (double& x : sample) x = next(stream);
  return sample;
}

// Bounds: five standard errors, sqrt(variance / n) of the mean and sqrt((mu4 - variance^2) / n) of the variance.
void expect_moments(const std::vector<double>& sample, double mean, double variance, double fourth_moment) {
  const Moments found = moments(sample);
  const double n = static_cast<double>(sample.size());
  EXPECT_NEAR(found.mean, mean, 5 * std::sqrt(variance / n));
  EXPECT_NEAR(found.variance, variance, 5 * std::sqrt((fourth_moment - variance * variance) / n));
}

TEST(RandomStream, UniformHasItsDistributionAndBounds) {
  const auto sample = draw([](RandomStream& stream) { return stream.next_uniform(-3, 5); });
  EXPECT_LT(ks_distance(sample, [](double x) { return (x + 3) / 8; }), kKsLimit);
  expect_moments(sample, 1, 64.0 / 12, 4096.0 / 80);
  EXPECT_GE(*std::min_element(sample.begin(), sample.end()), -3);
  EXPECT_LT(*std::max_element(sample.begin(), sample.end()), 5);
}

TEST(RandomStream, LogisticHasItsDistributionAndIsBounded) {
  const auto sample = draw([](RandomStream& stream) { return stream.next_logistic(); });
  EXPECT_LT(ks_distance(sample, [](double x) { return 1 / (1 + std::exp(-x)); }), kKsLimit);
  expect_moments(sample, 0, M_PI * M_PI / 3, 7 * std::pow(M_PI, 4) / 15);
  for (double x : sample) ASSERT_LE(std::abs(x), 36.74);
}

TEST(RandomStream, GumbelHasItsDistribution) {
  const auto sample = draw([](RandomStream& stream) { return stream.next_gumbel(); });
  EXPECT_LT(ks_distance(sample, [](double x) { return std::exp(-std::exp(-x)); }), kKsLimit);
  const double variance = M_PI * M_PI / 6;
  expect_moments(sample, 0.57721566490153286, variance, 5.4 * variance * variance);
}

TEST(RandomStream, NeighbouringStreamsAreNotCorrelated) {
  RandomStream left(1, RandomStage::kBench, 4, 10), right(1, RandomStage::kBench, 4, 11);
  double product = 0;
  for (size_t i = 0; i < kDraws; ++i) product += (left.next_open() - 0.5) * (right.next_open() - 0.5);
  const double standard_error = 1.0 / 12 / std::sqrt(static_cast<double>(kDraws));
  EXPECT_NEAR(product / static_cast<double>(kDraws), 0, 5 * standard_error);
}

}  // namespace
}  // namespace prunenet
