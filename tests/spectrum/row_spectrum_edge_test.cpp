// Spectra of ugly matrices: of huge and tiny numbers, of zeros, of one row or column, of low rank; and broken promises.
#include <cmath>
#include <numeric>

#include "linalg/matrices.h"
#include "spectrum/spectrum.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

template <typename Real>
class RowSpectrumEdgeTest : public testing::Test {
 protected:
  static constexpr double kEps = std::numeric_limits<Real>::epsilon();
  static constexpr SpectrumRoute kRoutes[] = {SpectrumRoute::kGram, SpectrumRoute::kDirect};
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(RowSpectrumEdgeTest, Reals);

std::vector<int64_t> first_rows(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// Within the range of the type a power of two changes no bit of the values but their exponent.
TYPED_TEST(RowSpectrumEdgeTest, ScalesExactlyWithPowersOfTwoSoThatNoSquareOverflows) {
  const std::vector<int> exponents = std::is_same_v<TypeParam, float>
                                         ? std::vector{-90, -60, -15, 19, 60, 120}
                                         : std::vector{-900, -500, -200, 19, 200, 500, 1000};
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{{20, 30}, {60, 20}}) {
    const auto w = random_matrix<TypeParam>(rows, cols, 1);
    const RowSpectrum<TypeParam> plain(w);
    for (int exponent : exponents) {
      const Matrix<TypeParam> scaled = w * std::ldexp(TypeParam{1}, exponent);
      const RowSpectrum<TypeParam> spectrum(scaled);
      for (int64_t count : {int64_t{5}, rows / 2 - 2, rows - 3, rows}) {
        const std::vector<double> expected = plain.kept(first_rows(count)).singular_values;
        const Spectrum found = spectrum.kept(first_rows(count));
        ASSERT_TRUE(found.converged);
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_EQ(std::ldexp(found.singular_values[i], -exponent), expected[i]) << "2^" << exponent << ", " << count;
        }
      }
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, OfHugeAndTinyWeightsIsTheScaledOne) {
  const auto w = random_matrix<TypeParam>(20, 12, 2);
  for (SpectrumRoute route : this->kRoutes) {
    const std::vector<double> expected = singular_values(w, route).singular_values;
    for (double size : {1e30, 1e-30}) {
      const Matrix<TypeParam> scaled = w * static_cast<TypeParam>(size);
      const std::vector<double> found = singular_values(scaled, route).singular_values;
      // Rounding of the entries to begin with, and the errors of the route.
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(found[i] / size, expected[i], 100 * this->kEps * expected[0]);
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, OfNumbersAtTheEndsOfTheRangeIsFiniteAndRight) {
  using Limits = std::numeric_limits<TypeParam>;
  for (TypeParam x : {Limits::max() / 4, Limits::min(), Limits::denorm_min()}) {
    const Matrix<TypeParam> w = Matrix<TypeParam>::Constant(2, 3, x);  // x sqrt(6) and 0
    for (SpectrumRoute route : this->kRoutes) {
      if (route == SpectrumRoute::kDirect && x < Limits::min()) continue;  // gesdd's own result is a denormal number
      const Spectrum found = singular_values(w, route);
      EXPECT_TRUE(found.converged);
      EXPECT_NEAR(found.singular_values[0] / static_cast<double>(x), std::sqrt(6.0),
                  8 * (x < Limits::min() ? 0.1 : this->kEps));
      EXPECT_LE(found.singular_values[1] / static_cast<double>(x), 4 * std::sqrt(this->kEps));
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, OfAZeroMatrixIsZeros) {
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{{4, 7}, {7, 4}, {1, 1}}) {
    const Matrix<TypeParam> w = Matrix<TypeParam>::Zero(rows, cols);
    for (SpectrumRoute route : this->kRoutes) {
      const RowSpectrum<TypeParam> spectrum(w, route);
      EXPECT_TRUE(spectrum.all().converged);
      EXPECT_EQ(spectrum.all().singular_values, std::vector<double>(static_cast<size_t>(std::min(rows, cols)), 0.0));
      EXPECT_EQ(spectrum.kept(first_rows(1)).singular_values, std::vector<double>{0.0});
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, OfOneRowOrColumnIsItsNorm) {
  Matrix<TypeParam> row(1, 2);
  row << 3, 4;
  const Matrix<TypeParam> column = row.transpose();
  for (SpectrumRoute route : this->kRoutes) {
    for (const Matrix<TypeParam>& w : {row, column}) {
      const Spectrum found = singular_values(w, route);
      ASSERT_EQ(found.singular_values.size(), 1u);
      EXPECT_NEAR(found.singular_values[0], 5, 5 * 4 * this->kEps);
    }
    EXPECT_NEAR(RowSpectrum<TypeParam>(column, route).kept(std::vector<int64_t>{1}).singular_values[0], 4,
                4 * 4 * this->kEps);
  }
}

// Zeros may come out as large as the header says: sqrt(eps) of the largest by the Gram matrix, eps by the direct route;
// ten times that covers the number of terms.
TYPED_TEST(RowSpectrumEdgeTest, OfALowRankMatrixHasItsZerosWithinTheStatedBound) {
  constexpr int64_t kRank = 4;
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{{30, 50}, {50, 30}, {100, 20}}) {
    const Matrix<TypeParam> left = test::integer_matrix<TypeParam>(rows, kRank, 3);  // whole numbers: of exact rank 4
    const Matrix<TypeParam> w = left * test::integer_matrix<TypeParam>(kRank, cols, 4);
    for (SpectrumRoute route : this->kRoutes) {
      const double bound = 10 * (route == SpectrumRoute::kGram ? std::sqrt(this->kEps) : this->kEps);
      for (int64_t count : {rows, rows - 5, rows / 3}) {
        const std::vector<double> found = RowSpectrum<TypeParam>(w, route).kept(first_rows(count)).singular_values;
        EXPECT_GT(found[kRank - 1], 0.01 * found[0]);
        for (size_t i = kRank; i < found.size(); ++i) EXPECT_LE(found[i], bound * found[0]) << count << " of " << rows;
      }
    }
  }
}

// Dead neurons: rows of next to nothing among others. They must not break what is found for the living.
TYPED_TEST(RowSpectrumEdgeTest, OfRowsWithDeadOnesAmongThemIsThatOfTheLiving) {
  constexpr int64_t kRows = 24, kCols = 40;
  for (double size : {1e-12, 1e-17, 1e-19, 1e-20, 1e-21, 1e-25, 0.0}) {
    auto w = random_matrix<TypeParam>(kRows, kCols, 5);
    std::vector<int64_t> living;
    for (int64_t row = 0; row < kRows; ++row) {
      if (row % 4 == 3) {
        living.push_back(row);
      } else {
        w.row(row) *= static_cast<TypeParam>(size);
      }
    }
    const RowSpectrum<TypeParam> spectrum(w);
    const Spectrum all = spectrum.all(), alive = spectrum.kept(living);
    ASSERT_TRUE(all.converged) << size;
    for (size_t i = 0; i < living.size(); ++i) {
      ASSERT_NEAR(all.singular_values[i], alive.singular_values[i], 100 * this->kEps * alive.singular_values[0])
          << size;
    }
    for (size_t i = living.size(); i < kRows; ++i) {
      ASSERT_LE(all.singular_values[i], 10 * std::sqrt(this->kEps) * alive.singular_values[0]) << size;
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, OfNanOrInfinityIsRefusedOrSaysSo) {
  using Limits = std::numeric_limits<TypeParam>;
  for (TypeParam bad : {Limits::quiet_NaN(), Limits::infinity()}) {
    for (int64_t place = 0; place < 35; ++place) {
      auto w = random_matrix<TypeParam>(7, 5, 6);
      w.data()[place] = bad;
      EXPECT_FALSE(singular_values(w, SpectrumRoute::kDirect).converged) << bad << " at " << place;
      test::expect_error(ErrorCode::kInternal, {}, [&] { singular_values(w, SpectrumRoute::kGram); });
    }
  }
}

TYPED_TEST(RowSpectrumEdgeTest, RefusesNoRowsRowsThatAreNotThereAndAnotherMatrixesGram) {
  const auto w = random_matrix<TypeParam>(6, 4, 7);
  const RowSpectrum<TypeParam> spectrum(w);
  for (const std::vector<int64_t>& bad : {std::vector<int64_t>{}, {-1, 2}, {0, 6}}) {
    test::expect_error(ErrorCode::kInternal, {}, [&] { spectrum.kept(bad); });
  }
  test::expect_error(ErrorCode::kInternal, {}, [&] { RowSpectrum<TypeParam>(w, Matrix<TypeParam>(6, 6)); });
  test::expect_error(ErrorCode::kInternal, {}, [&] { singular_values(Matrix<TypeParam>(0, 4), SpectrumRoute::kGram); });
}

}  // namespace
}  // namespace prunenet
