// The sampler: its definitions against a naive version, its draws against the exact distribution.
#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "support/support.h"

namespace prunenet::test {
namespace {

using Options = SamplingOptions;

std::vector<float> random_logits(uint64_t seed, size_t count, double spread) {
  RandomStream stream(seed, RandomStage::kBench);
  std::vector<float> logits;
  for (size_t i = 0; i < count; ++i) logits.push_back(static_cast<float>(stream.next_uniform(-spread, spread)));
  return logits;
}

RandomStream draw(uint32_t number, uint64_t seed = 1) {
  return RandomStream(seed, RandomStage::kGenerate, 0, number);
}

// The distribution by the words of the definition: order, cut, renormalise; O(n^2).
std::vector<double> exact_distribution(const std::vector<float>& logits, const Options& options) {
  const size_t n = logits.size();
  std::vector<double> p(n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += p[i] = std::exp(static_cast<double>(logits[i]) / options.temperature);
  const auto rank = [&](size_t i) {
    size_t better = 0;
    for (size_t j = 0; j < n; ++j) better += logits[j] > logits[i] || (logits[j] == logits[i] && j < i) ? 1 : 0;
    return better;
  };
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[rank(i)] = i;
  const size_t k = options.top_k == 0 ? n : std::min(n, static_cast<size_t>(options.top_k));
  double of_k = 0;
  for (size_t r = 0; r < k; ++r) of_k += p[order[r]];
  std::vector<double> kept(n, 0.0);
  double before = 0, total = 0;
  for (size_t r = 0; r < k; ++r) {
    if (r > 0 && before / of_k >= options.top_p) break;  // what came before has reached p
    kept[order[r]] = p[order[r]];
    before += p[order[r]];
    total += p[order[r]];
  }
  for (double& value : kept) value /= total;
  return kept;
}

// Pearson's statistic of 20000 draws with a fixed seed. Under the right distribution its mean is the number of free
// cells and its standard deviation sqrt(2 cells): five of those above the mean is a chance below 1e-5, and the seed is
// fixed.
void expect_draws_follow(const std::vector<float>& logits, const Options& options) {
  constexpr uint32_t kDraws = 20000;
  const std::vector<double> expected = exact_distribution(logits, options);
  std::vector<double> counts(logits.size());
  for (uint32_t i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(sample_token(logits, options, draw(i)))];
  double statistic = 0, cells = -1;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " was cut and yet drawn";
      continue;
    }
    const double mean = expected[i] * kDraws;
    statistic += (counts[i] - mean) * (counts[i] - mean) / mean;
    ++cells;
  }
  EXPECT_LT(statistic, cells + 5 * std::sqrt(2 * std::max(cells, 1.0)));
}

TEST(Sampler, DrawsFollowTheDistribution) {
  const std::vector<float> logits = random_logits(3, 12, 2);
  for (const Options& options : {Options{1, 0, 1}, Options{0.5, 0, 1}, Options{3, 0, 1}, Options{1, 5, 1},
                                 Options{1, 0, 0.7}, Options{0.8, 6, 0.9}, Options{1, 1, 1}, Options{1, 0, 1e-9}}) {
    SCOPED_TRACE(fmt::format("temperature {}, top-k {}, top-p {}", options.temperature, options.top_k, options.top_p));
    expect_draws_follow(logits, options);
  }
}

TEST(Sampler, TheTestOfDrawsCanFail) {
  const std::vector<float> logits = random_logits(3, 12, 2);
  const std::vector<double> right = exact_distribution(logits, {1, 0, 1}),
                            other = exact_distribution(logits, {1.1, 0, 1});
  double distance = 0;
  for (size_t i = 0; i < right.size(); ++i) distance += (right[i] - other[i]) * (right[i] - other[i]) / right[i];
  EXPECT_GT(20000 * distance, 11 + 5 * std::sqrt(22.0)) << "20000 draws would not tell temperature 1 from 1.1";
}

TEST(Sampler, CutsKeepExactlyWhatTheNaiveVersionKeeps) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::vector<float> logits = random_logits(seed, 30, 3);
    if (seed % 2 == 0) {
      for (float& logit : logits) logit = std::round(logit);  // many ties
    }
    RandomStream stream(seed, RandomStage::kBench, 1);
    const Options options{stream.next_uniform(0.2, 2), static_cast<int64_t>(stream.next_u32() % 12),
                          stream.next_uniform(0.05, 1)};
    SCOPED_TRACE(fmt::format("seed {}, temperature {}, top-k {}, top-p {}", seed, options.temperature, options.top_k,
                             options.top_p));
    const std::vector<double> expected = exact_distribution(logits, options);
    std::set<TokenId> allowed, seen;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (expected[i] > 0) allowed.insert(static_cast<TokenId>(i));
    }
    for (uint32_t i = 0; i < 3000; ++i) seen.insert(sample_token(logits, options, draw(i, seed)));
    for (const TokenId id : seen) EXPECT_TRUE(allowed.contains(id)) << "drew " << id;
    for (const TokenId id : allowed) {
      if (expected[static_cast<size_t>(id)] <= 0.01) continue;
      EXPECT_TRUE(seen.contains(id)) << "never drew " << id;
    }
  }
}

TEST(Sampler, ADrawIsTheInverseOfTheDistributionInTheOrderOfIds) {
  const std::vector<float> logits = random_logits(9, 50, 2);
  const std::vector<double> p = exact_distribution(logits, {0.9, 20, 0.95});
  for (uint32_t i = 0; i < 500; ++i) {
    const double u = draw(i).next_open();
    double sum = 0;
    TokenId expected = -1;
    for (size_t id = 0; id < p.size() && expected < 0; ++id) {
      sum += p[id];
      if (u < sum) expected = static_cast<TokenId>(id);
    }
    EXPECT_EQ(sample_token(logits, {0.9, 20, 0.95}, draw(i)), expected);
  }
}

TEST(Sampler, GreedyTakesTheLowestOfEqualLogits) {
  EXPECT_EQ(greedy_token(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(greedy_token(std::vector<float>{-5}), 0);
  EXPECT_EQ(greedy_token(std::vector<float>{0, 0, 0}), 0);
  EXPECT_EQ(greedy_token(std::vector<float>{-2, -1}), 1);
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(sample_token(std::vector<float>{1, 3, 3, 2}, {0, 0, 1}, draw(i)), 1);
    EXPECT_EQ(sample_token(std::vector<float>{1, 3, 3, 2}, {1, 1, 1}, draw(i)), 1) << "top-k 1 is greedy";
  }
}

TEST(Sampler, ExtremesOfTemperatureAndLogits) {
  const float huge = std::numeric_limits<float>::max();
  const std::vector<float> wide{-huge, huge, -huge, 0};
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(sample_token(wide, {1, 0, 1}, draw(i)), 1);
    EXPECT_EQ(sample_token(wide, {1e-300, 0, 0.5}, draw(i)), 1);
    EXPECT_EQ(sample_token(std::vector<float>{1, 2, 2}, {5e-324, 2, 1}, draw(i)) == 0, false);
  }
  std::set<TokenId> seen;
  for (uint32_t i = 0; i < 200; ++i) seen.insert(sample_token(wide, {1e300, 0, 1}, draw(i)));
  EXPECT_EQ(seen.size(), 4u) << "at an endless temperature every token is as likely";
}

TEST(Sampler, OptionsOutsideTheirRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Options& options : {Options{-1, 0, 1}, Options{nan, 0, 1}, Options{HUGE_VAL, 0, 1}}) {
    expect_error(ErrorCode::kBadOption, {"temperature"}, [&] { check_sampling(options); });
  }
  expect_error(ErrorCode::kBadOption, {"top-k", "-1"}, [] { check_sampling({1, -1, 1}); });
  for (const double top_p : {0.0, -0.5, 1.01, nan}) {
    expect_error(ErrorCode::kBadOption, {"top-p"}, [&] { check_sampling({1, 0, top_p}); });
  }
}

}  // namespace
}  // namespace prunenet::test
