// The Kolmogorov-Smirnov statistic: against its definition, worked examples, and the properties of a distance.
#include "spectrum/ks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "support/support.h"

namespace prunenet {
namespace {

using Sample = std::vector<double>;

// The definition, at every point where a distribution steps: O((n + m)^2).
double brute_force(const Sample& a, const Sample& b) {
  const auto share = [](const Sample& sample, double x) {
    const auto count = std::count_if(sample.begin(), sample.end(), [&](double y) { return y <= x; });
    return static_cast<double>(count) / static_cast<double>(sample.size());
  };
  double largest = 0;
  for (const Sample* points : {&a, &b}) {
    for (double x : *points) largest = std::max(largest, std::abs(share(a, x) - share(b, x)));
  }
  return largest;
}

// `values` different numbers are possible: few of them, many ties.
Sample random_sample(RandomStream& stream, size_t size, uint32_t values) {
  Sample sample;
  for (size_t i = 0; i < size; ++i) sample.push_back(static_cast<double>(stream.next_u32() % values) / 7 - 3);
  return sample;
}

void shuffle(Sample& sample, RandomStream& stream) {
  for (size_t i = sample.size(); i > 1; --i) std::swap(sample[i - 1], sample[stream.next_u32() % i]);
}

TEST(KsStatistic, OfWorkedExamplesIsWhatPaperAndPencilGive) {
  struct Example {
    Sample a, b;
    double expected;
  };
  const std::vector<Example> examples{
      {{1}, {1}, 0},
      {{1}, {2}, 1},
      {{1, 2, 3}, {2, 3, 4}, 1 - 2.0 / 3},       // at 3: 1 against 2/3
      {{1, 2, 3, 4}, {2.5}, 0.5},                // at 2: 1/2 against 0
      {{1, 1, 1, 2}, {1, 2, 2, 2}, 0.5},         // at 1: 3/4 against 1/4; in between nothing steps
      {{1, 2, 3, 4, 5}, {5}, 4.0 / 5},           // the one sample ends where the other begins
      {{0, 0, 0, 0}, {0, 1}, 0.5},               // at 0: 1 against 1/2
      {{1, 3, 5, 7}, {2, 4, 6, 8}, 0.25},        // they take turns
      {{1, 2}, {1, 2, 2, 2}, 0.25},              // at 1: 1/2 against 1/4
      {{1, 2, 3, 4, 5, 6, 7, 8}, {1, 2}, 0.75},  // at 2: 1/4 against 1
      {{-0.0}, {0.0}, 0},                        // one number
      {{-1e300, 1e-300}, {1e300, 1e-310}, 0.5},
  };
  for (const Example& example : examples) {
    EXPECT_EQ(ks_statistic(example.a, example.b), example.expected);
    EXPECT_EQ(brute_force(example.a, example.b), example.expected);
  }
}

TEST(KsStatistic, EqualsItsDefinitionForRandomSamplesOfAllSizesWithTies) {
  RandomStream stream(1, RandomStage::kBench);
  for (int round = 0; round < 600; ++round) {
    const uint32_t values = round % 3 == 0 ? 4 : round % 3 == 1 ? 30 : 1u << 31;
    const Sample a = random_sample(stream, 1 + stream.next_u32() % 40, values);
    const Sample b = random_sample(stream, 1 + stream.next_u32() % 40, values);
    ASSERT_EQ(ks_statistic(a, b), brute_force(a, b)) << "round " << round;
  }
}

TEST(KsStatistic, IsSymmetricAndDoesNotDependOnOrder) {
  RandomStream stream(2, RandomStage::kBench);
  for (int round = 0; round < 100; ++round) {
    Sample a = random_sample(stream, 30, 25), b = random_sample(stream, 17, 25);
    const double expected = ks_statistic(a, b);
    EXPECT_EQ(ks_statistic(b, a), expected);
    shuffle(a, stream);
    shuffle(b, stream);
    EXPECT_EQ(ks_statistic(a, b), expected);
  }
}

TEST(KsStatistic, OfASampleWithItselfOrRepeatedIsZero) {
  RandomStream stream(3, RandomStage::kBench);
  Sample a = random_sample(stream, 33, 1u << 31);
  EXPECT_EQ(ks_statistic(a, a), 0);
  Sample twice = a;
  twice.insert(twice.end(), a.begin(), a.end());
  shuffle(twice, stream);
  EXPECT_EQ(ks_statistic(a, twice), 0);
}

TEST(KsStatistic, OfDisjointSamplesIsOneWhateverTheirSizes) {
  for (size_t n : {1u, 2u, 50u}) {
    for (size_t m : {1u, 3u, 49u}) {
      EXPECT_EQ(ks_statistic(Sample(n, 1.0), Sample(m, 2.0)), 1);
      EXPECT_EQ(ks_statistic(Sample(n, 2.0), Sample(m, 1.0)), 1);
    }
  }
}

TEST(KsStatistic, SeesOrderOnlySoThatAnyGrowingFunctionLeavesItAlone) {
  RandomStream stream(4, RandomStage::kBench);
  Sample a = random_sample(stream, 40, 60), b = random_sample(stream, 23, 60);
  const double expected = ks_statistic(a, b);
  for (Sample* sample : {&a, &b}) {
    for (double& x : *sample) x = std::exp(3 * x) - 100;
  }
  EXPECT_EQ(ks_statistic(a, b), expected);
}

TEST(KsStatistic, TakesInfinitiesAsNumbersBeyondAllOthers) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ks_statistic(Sample{1, kInfinity}, Sample{1, 2}), 0.5);
  EXPECT_EQ(ks_statistic(Sample{-kInfinity, kInfinity}, Sample{-kInfinity, kInfinity}), 0);
}

TEST(KsStatistic, RefusesEmptySamplesAndNan) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const Sample good{1, 2, 3};
  for (const Sample& bad : {Sample{}, Sample{kNan}, Sample{1, kNan, 2}, Sample{1, 2, kNan}}) {
    test::expect_error(ErrorCode::kInternal, {}, [&] { ks_statistic(bad, good); });
    test::expect_error(ErrorCode::kInternal, {}, [&] { ks_statistic(good, bad); });
  }
}

}  // namespace
}  // namespace prunenet
