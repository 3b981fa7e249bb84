// From scores to kept rows: top_indices and select.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "selection/scorer.h"
#include "support/support.h"

namespace prunenet {
namespace {

using Indices = std::vector<int64_t>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(TopIndices, AreThoseOfTheLargestScoresInAscendingOrder) {
  const std::vector<double> scores{0.5, -1, 3, 2, 0};
  EXPECT_EQ(top_indices(scores, 1), (Indices{2}));
  EXPECT_EQ(top_indices(scores, 2), (Indices{2, 3}));
  EXPECT_EQ(top_indices(scores, 3), (Indices{0, 2, 3}));
  EXPECT_EQ(top_indices(scores, 4), (Indices{0, 2, 3, 4}));
}

TEST(TopIndices, OfNoneAreNoneAndOfAllAreAll) {
  const std::vector<double> scores{2, 1, 3};
  EXPECT_EQ(top_indices(scores, 0), Indices{});
  EXPECT_EQ(top_indices(scores, 3), (Indices{0, 1, 2}));
  EXPECT_EQ(top_indices({}, 0), Indices{});
}

TEST(TopIndices, KeepTheLowerIndexOfEqualScores) {
  EXPECT_EQ(top_indices(std::vector<double>{1, 1, 1, 1}, 2), (Indices{0, 1}));
  EXPECT_EQ(top_indices(std::vector<double>{0, 2, 1, 2, 2, 1}, 2), (Indices{1, 3}));
  EXPECT_EQ(top_indices(std::vector<double>{0, 2, 1, 2, 2, 1}, 4), (Indices{1, 2, 3, 4}));
  EXPECT_EQ(top_indices(std::vector<double>{-0.0, 0.0}, 1), (Indices{0}));
}

TEST(TopBlocks, AreThoseOfTheLargestMeanScore) {
  // Means 1, 3, 2, 3: blocks 1 and 3, although the largest neuron of all is in block 2.
  const std::vector<double> scores{1, 1, 3, 3, 4, 0, 2, 4};
  EXPECT_EQ(top_blocks(scores, 4, 2), (Indices{2, 3, 6, 7}));
  EXPECT_EQ(top_blocks(scores, 2, 2), (Indices{2, 3}));  // of equal means the lower
  EXPECT_EQ(top_blocks(scores, 4, 1), top_indices(scores, 4));
  EXPECT_EQ(top_blocks(scores, 8, 2).size(), 8u);
  EXPECT_EQ(top_blocks(std::vector<double>{0, -kInfinity, -5, -5}, 2, 2), (Indices{2, 3}));
}

TEST(TopIndices, TakeInfinitiesAsLargestAndSmallest) {
  EXPECT_EQ(top_indices(std::vector<double>{-kInfinity, 1, kInfinity, -kInfinity}, 2), (Indices{1, 2}));
  EXPECT_EQ(top_indices(std::vector<double>{-kInfinity, 1, kInfinity, -kInfinity}, 3), (Indices{0, 1, 2}));
}

TEST(TopIndices, EqualAStableSortForRandomScoresWithTies) {
  RandomStream stream(1, RandomStage::kBench);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> scores(1 + stream.next_u32() % 60);
    for (double& score : scores) score = static_cast<double>(stream.next_u32() % 10);
    Indices order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    const auto score = [&](int64_t i) { return scores[static_cast<size_t>(i)]; };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score(a) > score(b); });
    order.resize(stream.next_u32() % (scores.size() + 1));
    std::sort(order.begin(), order.end());
    ASSERT_EQ(top_indices(scores, static_cast<int64_t>(order.size())), order);
  }
}

TEST(TopIndices, RefuseNanWhereverItIsAndNameTheNeuron) {
  for (size_t place : {0u, 1u, 3u}) {
    std::vector<double> scores{1, 2, 3, 4};
    scores[place] = kNan;
    for (int64_t count : {0, 1, 4}) {
      test::expect_error(ErrorCode::kNonFinite, {fmt::format("neuron {}", place), "NaN"},
                         [&] { top_indices(scores, count); });
    }
  }
}

TEST(TopIndices, RefuseCountsThatAreNotThere) {
  for (int64_t count : {-1, 3}) {
    test::expect_error(ErrorCode::kInternal, {}, [&] { top_indices(std::vector<double>{1, 2}, count); });
  }
}

// Layer l has l + 2 neurons; the scores fall in odd layers and grow in even ones.
class CountingScorer final : public NeuronScorer {
 public:
  std::vector<double> scores(int64_t layer) override {
    asked.push_back(layer);
    std::vector<double> result(static_cast<size_t>(layer + 2));
    std::iota(result.begin(), result.end(), 0);
    if (layer % 2 == 1) std::reverse(result.begin(), result.end());
    if (layer == nan_layer) result.back() = kNan;
    return result;
  }
  Indices asked;
  int64_t nan_layer = -1;
};

class RecordingProgress final : public Progress {
 public:
  void begin(std::string_view, double total) override { begun = total; }
  void advance(double units) override { advanced += units; }
  void end() override { ++ended; }
  void warn(std::string_view) override { ADD_FAILURE(); }
  void note(std::string_view) override { ADD_FAILURE(); }
  double begun = 0, advanced = 0;
  int ended = 0;
};

TEST(Select, AsksEachLayerOnceInOrderAndKeepsItsLargest) {
  CountingScorer scorer;
  RecordingProgress progress;
  const Mask mask = select(scorer, {1, 2, 4, 3}, progress);
  EXPECT_EQ(scorer.asked, (Indices{0, 1, 2, 3}));
  EXPECT_EQ(mask.kept, (std::vector<Indices>{{1}, {0, 1}, {0, 1, 2, 3}, {0, 1, 2}}));
  EXPECT_EQ(mask.kept_widths(), (Indices{1, 2, 4, 3}));
  EXPECT_EQ(progress.begun, 4);
  EXPECT_EQ(progress.advanced, 4);
  EXPECT_EQ(progress.ended, 1);
}

TEST(Select, PassesOnThatAScoreIsNan) {
  CountingScorer scorer;
  scorer.nan_layer = 2;
  SilentProgress progress;
  test::expect_error(ErrorCode::kNonFinite, {"neuron 3"}, [&] { select(scorer, {1, 1, 1, 1}, progress); });
}

}  // namespace
}  // namespace prunenet
