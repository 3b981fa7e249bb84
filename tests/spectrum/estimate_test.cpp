// The KS estimate against exact ones over shapes of spectra, ratios and choices of rows; Lanczos by itself; extremes.
#include "spectrum/estimate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "linalg/gram.h"
#include "linalg/matrices.h"
#include "spectrum/heavy_tailed.h"
#include "spectrum/selection_of_rows.h"
#include "spectrum/spectrum.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::heavy_tailed;
using test::random_matrix;

SpectrumDistance estimate(const Matrix<float>& w, const Spectrum& whole, const Matrix<float>& gram, const std::vector<int64_t>& kept) {
  const auto removed = test::all_but(kept, w.rows());
  return estimated_distance(whole.singular_values, probe_without<float>(block_of(gram), block_of(w), {}),
                            probe_without<float>(block_of(gram), block_of(w), removed));
}

TEST(LanczosTest, FindsTheMomentsOfEveryProbe) {
  const auto a = random_matrix<double>(60, 30, 1);
  const Matrix<double> gram = a.transpose() * a;
  Matrix<double> start = random_matrix<double>(30, kThinVectors, 2);
  for (int64_t v = 0; v < kThinVectors; ++v) start.col(v) /= start.col(v).norm();
  const LanczosRuns runs = lanczos<double>([&](const Matrix<double>& x, Matrix<double>& y) { y = gram * x; }, start, 6);
  for (int64_t v = 0; v < kThinVectors; ++v) {
    const Vector<double> diagonal = runs.diagonal.col(v), off = runs.off_diagonal.col(v);
    const Quadrature rule = gauss_quadrature({diagonal.data(), 6}, {off.data(), 6});
    Vector<double> power = start.col(v);
    for (int k = 0; k <= 11; ++k) {  // six nodes are exact to degree eleven
      double sum = 0;
      for (size_t i = 0; i < 6; ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], k);
      EXPECT_NEAR(sum / power.dot(start.col(v)), 1, 1e-10) << "moment " << k;
      power = gram * power;
    }
  }
}

TEST(LanczosTest, EndsWhereTheKrylovSpaceDoes) {
  Matrix<double> s = Matrix<double>::Zero(40, 40);
  for (int64_t i = 0; i < 40; ++i) s(i, i) = static_cast<double>(i % 3 + 1);  // three eigenvalues
  Matrix<double> start = Matrix<double>::Constant(40, kThinVectors, 1 / std::sqrt(40.0));
  const LanczosRuns runs = lanczos<double>([&](const Matrix<double>& x, Matrix<double>& y) { y = s * x; }, start, 10);
  for (int64_t length : runs.lengths) EXPECT_EQ(length, 3);
  EXPECT_TRUE(runs.diagonal.allFinite() && runs.off_diagonal.allFinite());
}

struct Compared {
  double worst = 0, worst_share_of_error = 0;  // |estimate - exact| over exact; and over the error that the estimate states
};

Compared over_twenty_masks(double power, double ratio) {
  constexpr int64_t kRows = 3200, kCols = 1280;
  const Matrix<float> w = heavy_tailed(kRows, kCols, power, 3);
  const RowSpectrum<float> spectrum(w);
  const Spectrum whole = spectrum.all();
  Compared compared;
  for (uint32_t mask = 0; mask < 20; ++mask) {
    const auto kept = test::some_rows(kRows, static_cast<int64_t>((1 - ratio) * kRows), 10 + mask);
    const double exact = ks_statistic(whole.singular_values, spectrum.kept(kept).singular_values);
    const SpectrumDistance found = estimate(w, whole, spectrum.gram(), kept);
    EXPECT_TRUE(found.converged);
    compared.worst = std::max(compared.worst, std::abs(found.ks - exact) / exact);
    compared.worst_share_of_error = std::max(compared.worst_share_of_error, std::abs(found.ks - exact) / found.error);
  }
  return compared;
}

TEST(SlowEstimateTest, IsWithinThreePercentOfExactOverTwentyMasks) {
  for (const double power : {0.2, 0.5}) {
    for (const double ratio : {0.3, 0.45}) {
      SCOPED_TRACE("power " + std::to_string(power) + ", ratio " + std::to_string(ratio));
      const Compared compared = over_twenty_masks(power, ratio);
      EXPECT_LT(compared.worst, 0.03);
      EXPECT_LT(compared.worst_share_of_error, 1);
    }
  }
}

// A bulk without a tail and some columns that stick out, at a small KS: here a choice is up to 4.3 % off.
TEST(SlowEstimateTest, OfAFlatSpectrumIsWithinTheErrorItStatesOverTwentyMasks) {
  const Compared compared = over_twenty_masks(0, 0.2);
  EXPECT_LT(compared.worst, 0.05);
  EXPECT_LT(compared.worst_share_of_error, 1);
}

TEST(EstimateTest, OfTheSameRowsIsTheSmallestThereIs) {
  const Matrix<float> w = heavy_tailed(400, 128, 0.2, 4);
  const RowSpectrum<float> spectrum(w);
  const auto probed = probe_without<float>(block_of(spectrum.gram()), block_of(w), {});
  const SpectrumDistance distance = estimated_distance(spectrum.all().singular_values, probed, probed);
  EXPECT_EQ(distance.ks, 1.0 / 128);
  EXPECT_EQ(distance.error, 1.0 / 128);
}

TEST(EstimateTest, OfAScaledMatrixIsThatOfItsSingularValues) {
  // Every eigenvalue by the same factor: here the correspondence of nodes is exact, whatever the probes.
  const Matrix<float> w = heavy_tailed(600, 256, 0.2, 5), half = w * 0.5f;
  const RowSpectrum<float> spectrum(w), other(half);
  const Spectrum whole = spectrum.all();
  const SpectrumDistance found =
      estimated_distance(whole.singular_values, probe_without<float>(block_of(spectrum.gram()), block_of(w), {}),
                         probe_without<float>(block_of(other.gram()), block_of(half), {}));
  EXPECT_NEAR(found.ks, ks_statistic(whole.singular_values, other.all().singular_values), 2.0 / 256);
}

TEST(EstimateTest, OfTheKeptRowsByThemselvesIsThatWithoutTheRemovedOnes) {
  const Matrix<float> w = heavy_tailed(900, 256, 0.2, 6);
  const RowSpectrum<float> spectrum(w);
  const Spectrum whole = spectrum.all();
  const auto kept = test::some_rows(900, 600, 7);
  const auto base = probe_without<float>(block_of(spectrum.gram()), block_of(w), {});
  const SpectrumDistance by_kept = estimated_distance(whole.singular_values, base, probe_of<float>(block_of(w), kept));
  EXPECT_NEAR(by_kept.ks, estimate(w, whole, spectrum.gram(), kept).ks, 1e-3);
}

TEST(EstimateTest, HasTheSameBitsForAnyNumberOfThreads) {
  const Matrix<float> w = heavy_tailed(900, 384, 0.2, 8);
  const RowSpectrum<float> spectrum(w);
  const Spectrum whole = spectrum.all();
  const auto kept = test::some_rows(900, 600, 9);
  SpectrumDistance first;
  for (int threads : {1, 2, 3}) {
    const test::Threads several(threads);
    const SpectrumDistance found = estimate(w, whole, spectrum.gram(), kept);
    if (threads == 1) first = found;
    EXPECT_EQ(found.ks, first.ks) << threads << " threads";
    EXPECT_EQ(found.error, first.error);
  }
}

TEST(EstimateTest, OfDegenerateMatricesIsANumberBetweenZeroAndOne) {
  const Matrix<float> zero = Matrix<float>::Zero(40, 20), ones = Matrix<float>::Ones(40, 20);
  Matrix<float> identity = Matrix<float>::Zero(40, 20);
  for (int64_t i = 0; i < 40; ++i) identity(i, i % 20) = 1;
  for (const Matrix<float>& w : {zero, ones, identity}) {
    const RowSpectrum<float> spectrum(w);
    const SpectrumDistance found = estimate(w, spectrum.all(), spectrum.gram(), test::some_rows(40, 30, 1));
    EXPECT_GE(found.ks, 0);
    EXPECT_LE(found.ks, 1);
    EXPECT_TRUE(std::isfinite(found.error));
  }
}

}  // namespace
}  // namespace prunenet
