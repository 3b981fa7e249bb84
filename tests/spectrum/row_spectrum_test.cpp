// Spectra of chosen rows: every way by a Gram matrix against the direct way, and the bits of what is stored.
#include <algorithm>
#include <cmath>

#include "linalg/gram.h"
#include "linalg/matrices.h"
#include "spectrum/selection_of_rows.h"
#include "spectrum/spectrum.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;
using test::some_rows;

template <typename Real>
class RowSpectrumTest : public testing::Test {
 protected:
  static constexpr double kEps = std::numeric_limits<Real>::epsilon();
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(RowSpectrumTest, Reals);

template <typename Real>
std::vector<double> values_of(const Spectrum& spectrum) {
  EXPECT_TRUE(spectrum.converged);
  EXPECT_TRUE(std::is_sorted(spectrum.singular_values.rbegin(), spectrum.singular_values.rend()));
  for (double x : spectrum.singular_values) EXPECT_GE(x, 0);
  return spectrum.singular_values;
}

template <typename Real>
std::vector<double> direct_values(const Matrix<Real>& w, const std::vector<int64_t>& kept) {
  return values_of<Real>(singular_values<Real>(gather_rows<Real>(w, kept), SpectrumRoute::kDirect));
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

// Adds a multiple of the identity, so that the smallest singular value is not far below the largest.
template <typename Real>
Matrix<Real> well_conditioned(int64_t rows, int64_t cols, uint32_t seed) {
  Matrix<Real> w = random_matrix<Real>(rows, cols, seed);
  for (int64_t i = 0; i < rows; ++i) w(i, i % cols) += static_cast<Real>(8);
  return w;
}

struct Choice {
  int64_t rows, cols, kept;
};

// Each branch of kept(), with the borders between them.
const std::vector<Choice> kChoices{
    {30, 50, 12}, {30, 50, 1},  {50, 50, 49}, {50, 50, 20},     // a part of the Gram matrix of rows
    {90, 40, 39}, {90, 40, 40}, {90, 40, 1},  {200, 100, 100},  // the Gram matrix of the kept rows
    {90, 40, 46}, {90, 40, 89}, {90, 40, 70}, {91, 40, 46},     // downdated by the removed rows
    {90, 40, 41}, {90, 40, 45}, {91, 40, 45}, {400, 70, 150},   // the Gram matrix of columns of the kept rows
    {90, 1, 50},  {90, 1, 30},  {2, 1, 1},    {1, 9, 1},       {3, 3, 2}};

// An eigenvalue of the Gram matrix is off by at most about n eps times the largest (n eps s1^2), so its root by
// n eps s1^2 / (s_k + root): for values s_k > s1 / 50, as here, at most 50 n eps s1 with n = 50, which is 6e-13 s1 in
// f64 and 3e-4 s1 in f32. Measured: 20 times less.
TYPED_TEST(RowSpectrumTest, OfWellConditionedRowsIsThatOfTheDirectRoute) {
  for (const Choice& choice : kChoices) {
    const auto w = well_conditioned<TypeParam>(choice.rows, choice.cols, 1);
    const std::vector<int64_t> kept = some_rows(choice.rows, choice.kept, 2);
    const std::vector<double> expected = direct_values(w, kept);
    const std::vector<double> found = values_of<TypeParam>(RowSpectrum<TypeParam>(w).kept(kept));
    ASSERT_EQ(found.size(), static_cast<size_t>(std::min(choice.kept, choice.cols)));
    EXPECT_LE(largest_difference(found, expected), 50 * 50 * this->kEps * expected[0])
        << choice.kept << " of " << choice.rows << " x " << choice.cols;
  }
}

// Whatever the conditioning: a root of an error of n eps s1^2 is at most sqrt(n eps) s1. In f64, n = 100: 1.5e-7.
TYPED_TEST(RowSpectrumTest, OfAnyRowsIsThatOfTheDirectRouteWithinTheRootOfEps) {
  for (const Choice& choice : kChoices) {
    auto w = random_matrix<TypeParam>(choice.rows, choice.cols, 3);
    for (int64_t j = 0; j < choice.cols; ++j) w.col(j) *= static_cast<TypeParam>(std::pow(0.7, static_cast<double>(j)));
    const std::vector<int64_t> kept = some_rows(choice.rows, choice.kept, 4);
    const std::vector<double> expected = direct_values(w, kept);
    const std::vector<double> found = values_of<TypeParam>(RowSpectrum<TypeParam>(w).kept(kept));
    EXPECT_LE(largest_difference(found, expected), 10 * std::sqrt(this->kEps) * expected[0])
        << choice.kept << " of " << choice.rows << " x " << choice.cols;
  }
}

TYPED_TEST(RowSpectrumTest, OfTheDirectRouteIsThatOfTheGatheredRowsBitForBit) {
  for (const Choice& choice : kChoices) {
    const auto w = random_matrix<TypeParam>(choice.rows, choice.cols, 5);
    const std::vector<int64_t> kept = some_rows(choice.rows, choice.kept, 6);
    const RowSpectrum<TypeParam> spectrum(w, SpectrumRoute::kDirect);
    EXPECT_TRUE(test::same_bits(spectrum.kept(kept).singular_values, direct_values(w, kept)));
    EXPECT_EQ(spectrum.gram().size(), 0);
  }
}

// The removed rows outweigh the kept ones: what is left after taking them out of the Gram matrix of all must not be
// their rounding errors. The bound is that of the kept rows by themselves.
TYPED_TEST(RowSpectrumTest, OfSmallRowsBesideLargeRemovedOnesIsAsGoodAsAlone) {
  for (double size : {1e1, 1e2, 1e3, 1e4, 1e5}) {
    auto w = well_conditioned<TypeParam>(90, 40, 7);
    std::vector<int64_t> kept;
    for (int64_t row = 0; row < 90; ++row) {
      if (row % 5 == 2) {
        w.row(row) *= static_cast<TypeParam>(size);
      } else {
        kept.push_back(row);
      }
    }
    const std::vector<double> expected = direct_values(w, kept);
    const std::vector<double> found = values_of<TypeParam>(RowSpectrum<TypeParam>(w).kept(kept));
    EXPECT_LE(largest_difference(found, expected), 50 * 50 * this->kEps * expected[0])
        << "removed rows are " << size << " larger";
  }
}

TYPED_TEST(RowSpectrumTest, OfAllRowsKeptIsTheWholeBitForBit) {
  for (const auto& [rows, cols] :
       std::vector<std::pair<int64_t, int64_t>>{{30, 50}, {50, 30}, {40, 40}, {1, 6}, {6, 1}}) {
    const auto w = random_matrix<TypeParam>(rows, cols, 8);
    std::vector<int64_t> every;
    for (int64_t row = 0; row < rows; ++row) every.push_back(row);
    for (SpectrumRoute route : {SpectrumRoute::kGram, SpectrumRoute::kDirect}) {
      const RowSpectrum<TypeParam> spectrum(w, route);
      EXPECT_TRUE(test::same_bits(spectrum.kept(every).singular_values, spectrum.all().singular_values));
      EXPECT_TRUE(test::same_bits(singular_values(w, route).singular_values, spectrum.all().singular_values));
      EXPECT_EQ(spectrum.all().singular_values.size(), static_cast<size_t>(std::min(rows, cols)));
    }
  }
}

TYPED_TEST(RowSpectrumTest, FromAStoredGramMatrixGivesTheSameBits) {
  for (double size : {1.0, 1e-9, 1e9}) {  // with and without a scale
    for (const Choice& choice : kChoices) {
      const Matrix<TypeParam> w = random_matrix<TypeParam>(choice.rows, choice.cols, 9) * static_cast<TypeParam>(size);
      const std::vector<int64_t> kept = some_rows(choice.rows, choice.kept, 10);
      const RowSpectrum<TypeParam> spectrum(w);
      EXPECT_EQ(spectrum.gram().rows(), std::min(choice.rows, choice.cols));
      const RowSpectrum<TypeParam> again(w, Matrix<TypeParam>(spectrum.gram()));
      EXPECT_TRUE(test::same_bits(again.all().singular_values, spectrum.all().singular_values));
      EXPECT_TRUE(test::same_bits(again.kept(kept).singular_values, spectrum.kept(kept).singular_values));
    }
  }
}

TYPED_TEST(RowSpectrumTest, OfOneChoiceDoesNotDependOnThoseAskedBefore) {
  const auto w = random_matrix<TypeParam>(90, 40, 11);
  const RowSpectrum<TypeParam> spectrum(w);
  const std::vector<int64_t> kept = some_rows(90, 70, 12);
  const std::vector<double> expected = spectrum.kept(kept).singular_values;
  spectrum.kept(some_rows(90, 80, 13));
  spectrum.all();
  EXPECT_TRUE(test::same_bits(spectrum.kept(kept).singular_values, expected));
}

TYPED_TEST(RowSpectrumTest, HasTheSameBitsForAnyNumberOfThreads) {
  const auto w = random_matrix<TypeParam>(900, 150, 14);
  for (int64_t count : {120, 300, 700}) {
    const std::vector<int64_t> kept = some_rows(900, count, 15);
    std::vector<double> expected;
    {
      const test::Threads one(1);
      expected = RowSpectrum<TypeParam>(w).kept(kept).singular_values;
    }
    for (int threads : {2, 3}) {
      const test::Threads several(threads);
      EXPECT_TRUE(test::same_bits(RowSpectrum<TypeParam>(w).kept(kept).singular_values, expected))
          << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace prunenet
