// Continuing sequences with a cache gives what computing them whole gives, alone or together.
#include <algorithm>
#include <cmath>

#include "golden_model.h"
#include "test_device.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// The same products in other shapes: sums are taken in another order. The processor's tiles keep most of it; elsewhere
// every shape has an order of its own, and the goldens' tolerance is what holds. For values up to ten: rounding is
// relative, so for larger ones it grows with them (the families' largest logits lie between 4 and 35).
const double kTolerance = test_device() == "cpu" ? 1e-5 : 2e-5;

void expect_close(std::span<const float> logits, std::span<const float> expected) {
  double largest = 10;
  for (float value : expected) largest = std::max(largest, std::abs(static_cast<double>(value)));
  EXPECT_LE(largest_difference(logits, expected), kTolerance * largest / 10);
}

std::vector<float> last_logits(Engine& engine, const std::vector<TokenId>& ids) {
  const std::vector<std::vector<TokenId>> sequences{ids};
  const Logits all = engine.logits(sequences);
  const auto row = all.row(all.rows - 1);
  return {row.begin(), row.end()};
}

class Sessions : public testing::TestWithParam<std::string> {};

TEST_P(Sessions, UnequalSequencesGrowTogetherAsTheyWouldAlone) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  RunningModel running(data / "golden" / GetParam(), on_test_device());
  std::vector<std::vector<TokenId>> whole{{5}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11, 12}, {3, 1, 4}, {2}};
  const auto session = running.engine.open_session(4, 40);
  std::vector<std::vector<TokenId>> fresh = whole;
  // Alike, then unequal (which splits a group of equals), then alike again.
  const std::vector<std::vector<std::vector<TokenId>>> steps{{{20}, {21}, {22}, {23}},
                                                             {{24, 25, 26}, {27}, {28, 29}, {30}},
                                                             {{31}, {32}, {33}, {34}},
                                                             {{35, 36}, {37, 38}, {39, 40}, {41, 42}}};
  for (size_t step = 0; step <= steps.size(); ++step) {
    const Logits logits = session->append(fresh);
    ASSERT_EQ(logits.rows, 4);
    for (int64_t i = 0; i < 4; ++i) {
      SCOPED_TRACE(testing::Message() << "step " << step << ", sequence " << i);
      expect_close(logits.row(i), last_logits(running.engine, whole[static_cast<size_t>(i)]));
    }
    if (step == steps.size()) break;
    fresh = steps[step];
    for (size_t i = 0; i < 4; ++i) whole[i].insert(whole[i].end(), fresh[i].begin(), fresh[i].end());
  }
}

TEST_P(Sessions, KeptSequencesGoOnAndTheOthersAreForgotten) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  RunningModel running(data / "golden" / GetParam(), on_test_device());
  std::vector<std::vector<TokenId>> whole{{5, 6}, {9, 8}, {3, 1, 4}, {2, 7}, {1, 1, 1}};
  const auto session = running.engine.open_session(5, 20);
  session->append(whole);
  const std::vector<int64_t> kept{1, 2, 4};
  session->keep(kept);
  whole = {whole[1], whole[2], whole[4]};
  const std::vector<std::vector<TokenId>> fresh{{11}, {12}, {13}};
  const Logits logits = session->append(fresh);
  ASSERT_EQ(logits.rows, 3);
  for (size_t i = 0; i < 3; ++i) {
    whole[i].push_back(fresh[i][0]);
    expect_close(logits.row(static_cast<int64_t>(i)), last_logits(running.engine, whole[i]));
  }
}

TEST_P(Sessions, ScoresDoNotDependOnTheCompany) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  RunningModel running(data / "golden" / GetParam(), on_test_device());
  std::vector<ScoreRequest> requests{
      {{1, 2, 3, 4, 5}, 1}, {{9, 8, 7, 6, 5}, 3}, {{4, 4}, 1}, {{7}, 1}, {{1, 2, 3, 4, 5, 6, 7, 8, 9}, 9}};
  const auto together = running.engine.score(requests);
  ASSERT_EQ(together.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = running.engine.score(std::span(requests).subspan(i, 1)).front();
    ASSERT_EQ(alone.size(), requests[i].ids.size() - static_cast<size_t>(requests[i].first_scored));
    ASSERT_EQ(together[i].size(), alone.size());
    const std::vector<std::vector<TokenId>> sequences{requests[i].ids};
    const Logits logits = running.engine.logits(sequences);
    for (size_t t = 0; t < alone.size(); ++t) {
      EXPECT_NEAR(together[i][t].log_prob, alone[t].log_prob, kTolerance);
      EXPECT_EQ(together[i][t].is_greedy, alone[t].is_greedy);
      // The definition: log of the softmax, in f64.
      const auto row = logits.row(requests[i].first_scored - 1 + static_cast<int64_t>(t));
      double total = 0;
      for (float value : row) total += std::exp(static_cast<double>(value));
      const TokenId target = requests[i].ids[static_cast<size_t>(requests[i].first_scored) + t];
      EXPECT_NEAR(alone[t].log_prob, static_cast<double>(row[static_cast<size_t>(target)]) - std::log(total),
                  kTolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Sessions, testing::ValuesIn(kGoldenModels));

TEST(Session, BeyondItsCapacityIsAnError) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  RunningModel running(data / "golden" / "llama", on_test_device());
  const auto session = running.engine.open_session(1, 3);
  const std::vector<std::vector<TokenId>> two{{1, 2}};
  session->append(two);
  expect_error(ErrorCode::kBadOption, {"sequence 0 would grow to 4 ids", "beyond the 3"},
               [&] { session->append(two); });
}

}  // namespace
