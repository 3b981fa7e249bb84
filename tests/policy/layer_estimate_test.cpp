// When distances are estimated, and which rows the estimate looks at.
#include "policy/layer_estimate.h"

#include "linalg/gram.h"
#include "linalg/matrices.h"
#include "spectrum/selection_of_rows.h"
#include "support/support.h"

namespace prunenet {
namespace {

TEST(CanEstimate, OnlyMoreRowsThanColumnsOfALargeGramMatrix) {
  constexpr auto kEstimate = SpectrumMethod::kEstimate;
  constexpr auto kGram = SpectrumRoute::kGram;
  EXPECT_TRUE(can_estimate(kEstimate, kGram, 11008, 4096, 7705));
  EXPECT_TRUE(can_estimate(kEstimate, kGram, 1026, 1024, 1025));
  EXPECT_FALSE(can_estimate(SpectrumMethod::kExact, kGram, 11008, 4096, 7705));
  EXPECT_FALSE(can_estimate(kEstimate, SpectrumRoute::kDirect, 11008, 4096, 7705));
  EXPECT_FALSE(can_estimate(kEstimate, kGram, 1026, 1023, 1025));
  EXPECT_FALSE(can_estimate(kEstimate, kGram, 1026, 1024, 1024));
  EXPECT_FALSE(can_estimate(kEstimate, kGram, 1026, 1024, 1026));
}

// Rows of a small matrix by plain products, which keeps what it was asked for.
class RecordingProber final : public LayerProber {
 public:
  explicit RecordingProber(Matrix<double> w) : w_(std::move(w)) {}
  std::vector<double> row_weights() override {
    std::vector<double> weights;
    for (int64_t i = 0; i < w_.rows(); ++i) weights.push_back(w_.row(i).squaredNorm());
    return weights;
  }
  ProbedSpectrum without(std::span<const int64_t> removed) override {
    asked_without.emplace_back(removed.begin(), removed.end());
    return probed(test::all_but(asked_without.back(), w_.rows()));
  }
  ProbedSpectrum of(std::span<const int64_t> kept) override {
    asked_of.emplace_back(kept.begin(), kept.end());
    return probed(asked_of.back());
  }
  bool converges = true;
  std::vector<std::vector<int64_t>> asked_without, asked_of;

 private:
  ProbedSpectrum probed(const std::vector<int64_t>& rows) const {
    ProbedSpectrum result = probe_by<double>(w_.cols(), [&](const Matrix<double>& x, Matrix<double>& y) {
      const Matrix<double> some = gather_rows(w_, rows);
      y = some.transpose() * (some * x);
    });
    result.converged = result.converged && converges;
    return result;
  }
  Matrix<double> w_;
};

struct LayerEstimateTest : testing::Test {
  Matrix<double> w = test::random_matrix<double>(60, 20, 1);
  const std::vector<int64_t> kept = test::some_rows(60, 50, 2), removed = test::all_but(kept, 60);
  std::vector<double> whole() const { return singular_values(w, SpectrumRoute::kGram).singular_values; }
};

TEST_F(LayerEstimateTest, TakesTheRemovedRowsOffAndLooksAtTheWholeOnce) {
  RecordingProber prober(w);
  LayerEstimate estimate;
  const SpectrumDistance first = estimate.distance(whole(), kept, prober),
                         second = estimate.distance(whole(), kept, prober);
  EXPECT_EQ(prober.asked_without, (std::vector<std::vector<int64_t>>{{}, removed, removed}));
  EXPECT_TRUE(prober.asked_of.empty());
  EXPECT_EQ(first.ks, second.ks);
  EXPECT_GT(first.ks, 0);
  EXPECT_TRUE(first.converged);
}

TEST_F(LayerEstimateTest, LooksAtTheKeptRowsWhereTheOthersHoldMostOfTheWeight) {
  for (const int64_t row : removed) w.row(row) *= 6;
  RecordingProber prober(w);
  EXPECT_GT(LayerEstimate().distance(whole(), kept, prober).ks, 0);
  EXPECT_EQ(prober.asked_without, std::vector<std::vector<int64_t>>(1));
  EXPECT_EQ(prober.asked_of, (std::vector<std::vector<int64_t>>{kept}));
}

TEST_F(LayerEstimateTest, SaysWhereQuadraturesDidNotSettle) {
  RecordingProber prober(w);
  prober.converges = false;
  EXPECT_FALSE(LayerEstimate().distance(whole(), kept, prober).converged);
}

}  // namespace
}  // namespace prunenet
