// Distances of choices of rows: exact ones are those of the singular values, estimates are taken where they are defined,
// and neither depends on where Gram matrices or spectra were kept.
#include "policy/spectrum_base.h"

#include <cmath>

#include "linalg/matrices.h"
#include "spectrum/selection_of_rows.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

TEST(SpectrumBase, ExactDistanceIsThatOfTheSingularValues) {
  const auto w = random_matrix<double>(60, 20, 1);
  SpectrumBase<double> base(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  const auto kept = test::some_rows(60, 40, 2);
  const SpectrumDistance distance = base.distance(0, w, kept);
  EXPECT_EQ(distance.ks, ks_statistic(base.whole(0, w).singular_values, base.kept(0, w, kept).singular_values));
  EXPECT_EQ(distance.error, 0);
  EXPECT_TRUE(distance.converged);
}

TEST(SpectrumBase, EstimatesOnlyWhereThatIsDefinedAndIsExactElsewhere) {
  const auto scratch = std::filesystem::temp_directory_path();
  struct Case {
    int64_t rows, cols, keep;
    bool estimated;
  };
  for (const Case& c : {Case{2048, kEstimateFromOrder, 1434, true}, Case{1400, kEstimateFromOrder, 1024, false},
                        Case{1400, kEstimateFromOrder, 1400, false}, Case{1400, kEstimateFromOrder - 1, 1200, false},
                        Case{600, kEstimateFromOrder, 400, false}}) {
    SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.cols) + ", " + std::to_string(c.keep));
    const auto w = random_matrix<float>(c.rows, c.cols, 3);
    const auto kept = test::some_rows(c.rows, c.keep, 4);
    SpectrumBase<float> exact(scratch, SpectrumRoute::kGram);
    SpectrumBase<float> estimate(scratch, SpectrumRoute::kGram, SpectrumMethod::kEstimate);
    const SpectrumDistance truth = exact.distance(0, w, kept), found = estimate.distance(0, w, kept);
    EXPECT_EQ(found.error > 0, c.estimated);
    EXPECT_NEAR(found.ks, truth.ks, c.estimated ? 0.03 * truth.ks : 0);
    EXPECT_LE(std::abs(found.ks - truth.ks), found.error);
  }
}

TEST(SpectrumBase, GivesTheSameBitsWithAndWithoutRoomAndCache) {
  const test::TemporaryFolder folder;
  const auto w = random_matrix<float>(1400, kEstimateFromOrder, 5);
  const auto kept = test::some_rows(1400, 1200, 6);
  for (const auto method : {SpectrumMethod::kExact, SpectrumMethod::kEstimate}) {
    SpectrumBase<float> plain(folder.path(), SpectrumRoute::kGram, method);
    const SpectrumDistance expected = plain.distance(0, w, kept);
    for (int round = 0; round < 2; ++round) {  // the first fills the cache, the second reads it
      SpectrumBase<float> cached(folder / "no room", SpectrumRoute::kGram, method, SpectrumCache(folder / "cache"));
      for (int repeat = 0; repeat < 2; ++repeat) {
        const SpectrumDistance found = cached.distance(0, w, kept);
        EXPECT_EQ(found.ks, expected.ks);
        EXPECT_EQ(found.error, expected.error);
      }
      EXPECT_TRUE(test::same_bits(cached.whole(0, w).singular_values, plain.whole(0, w).singular_values));
    }
  }
  EXPECT_EQ(test::folder_contents(folder / "cache").size(), 1u);
}

TEST(SpectrumBase, GivesTheSameBitsWhenPreparedAndPreparesOnlyOnce) {
  const test::TemporaryFolder folder;
  const auto w = random_matrix<float>(1400, kEstimateFromOrder, 5);
  const auto kept = test::some_rows(1400, 1200, 6);
  for (const auto method : {SpectrumMethod::kExact, SpectrumMethod::kEstimate}) {
    const auto cache = folder / (method == SpectrumMethod::kExact ? "exact" : "estimate");
    SpectrumBase<float> plain(folder.path(), SpectrumRoute::kGram, method);
    const SpectrumDistance expected = plain.distance(0, w, kept);
    for (const int64_t in_cache : {0, 1}) {  // the first fills the cache, the second finds it full
      SpectrumBase<float> prepared(folder.path(), SpectrumRoute::kGram, method, SpectrumCache(cache));
      for (int repeat = 0; repeat < 2; ++repeat) prepared.prepare(0, w, 1200);
      const SpectrumDistance found = prepared.distance(0, w, kept);
      EXPECT_EQ(found.ks, expected.ks);
      EXPECT_EQ(found.error, expected.error);
      EXPECT_EQ(prepared.num_cached(), in_cache) << "it was at hand from the first time on";
    }
  }
}

TEST(SpectrumBase, IsExactWhereSquaresLeaveTheRange) {
  const auto scratch = std::filesystem::temp_directory_path();
  const auto kept = test::some_rows(1400, 1200, 8);
  for (const float size : {1e19f, 1e-22f}) {  // squares of f32 become infinite, or zero
    SCOPED_TRACE(size);
    const Matrix<float> w = random_matrix<float>(1400, kEstimateFromOrder, 9) * size;
    SpectrumBase<float> exact(scratch, SpectrumRoute::kGram);
    SpectrumBase<float> estimate(scratch, SpectrumRoute::kGram, SpectrumMethod::kEstimate);
    const SpectrumDistance found = estimate.distance(0, w, kept);
    EXPECT_EQ(found.ks, exact.distance(0, w, kept).ks);
    EXPECT_GT(found.ks, 0);
    EXPECT_EQ(found.error, 0);
    EXPECT_TRUE(found.converged);
  }
}

TEST(SpectrumBase, LooksAtTheKeptRowsAloneWhereTheRemovedOnesHoldMostOfTheWeight) {
  const auto kept = test::some_rows(1400, 1200, 10);
  for (const float factor : {3.0f, 6.0f}) {  // of the removed seventh: 60 % of the squared weight, and 86 %
    SCOPED_TRACE(factor);
    auto w = random_matrix<float>(1400, kEstimateFromOrder, 11);
    const auto removed = test::all_but(kept, w.rows());
    for (const int64_t row : removed) w.row(row) *= factor;
    SpectrumBase<float> base(std::filesystem::temp_directory_path(), SpectrumRoute::kGram, SpectrumMethod::kEstimate);
    const SpectrumDistance found = base.distance(0, w, kept);
    const Spectrum whole = base.whole(0, w);
    const RowSpectrum<float> rows(w);
    const auto probed = [&](std::span<const int64_t> without) { return probe_without<float>(block_of(rows.gram()), block_of(w), without); };
    const SpectrumDistance by_removed = estimated_distance(whole.singular_values, probed({}), probed(removed));
    const SpectrumDistance by_kept = estimated_distance(whole.singular_values, probed({}), probe_of<float>(block_of(w), kept));
    EXPECT_NE(by_removed.error, by_kept.error) << "two ways with the same rounding errors: this shows nothing";
    EXPECT_EQ(found.error, factor < 4 ? by_removed.error : by_kept.error);
    EXPECT_EQ(found.ks, factor < 4 ? by_removed.ks : by_kept.ks);
  }
}

TEST(SpectrumBase, OfAZeroLayerIsNoDistance) {
  const Matrix<float> zero = Matrix<float>::Zero(1400, kEstimateFromOrder);
  SpectrumBase<float> base(std::filesystem::temp_directory_path(), SpectrumRoute::kGram, SpectrumMethod::kEstimate);
  EXPECT_EQ(base.distance(0, zero, test::some_rows(1400, 1200, 7)).ks, 0);
}

}  // namespace
}  // namespace prunenet
