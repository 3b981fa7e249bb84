// Singular values without a Gram matrix: against Eigen's Jacobi, against known spectra, and ugly input.
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

#include "linalg/eigenvalues.h"
#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

template <typename Real>
class SingularValuesTest : public testing::Test {
 protected:
  static constexpr double kEps = std::numeric_limits<Real>::epsilon();
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(SingularValuesTest, Reals);

template <typename Real>
std::vector<double> values_of(Matrix<Real> a) {
  const SingularValues found = singular_values_direct(a);
  EXPECT_TRUE(found.converged);
  return found.values;
}

// Backward stable: an error of a modest multiple of eps times the largest value; 20 covers sizes up to 100 with room.
TYPED_TEST(SingularValuesTest, AgreeWithJacobiForTallWideAndSquareMatrices) {
  const std::vector<std::pair<int64_t, int64_t>> sizes{{1, 1},   {1, 7},   {7, 1},   {2, 2},  {40, 25},
                                                       {25, 40}, {64, 64}, {100, 9}, {9, 100}};
  for (const auto& [rows, cols] : sizes) {
    const auto a = random_matrix<TypeParam>(rows, cols, 1);
    // In long double: Eigen's own errors in double are larger.
    const Eigen::JacobiSVD<Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>> jacobi(
        a.template cast<long double>());
    const std::vector<double> found = values_of(a);
    ASSERT_EQ(found.size(), static_cast<size_t>(std::min(rows, cols)));
    EXPECT_TRUE(std::is_sorted(found.rbegin(), found.rend()));
    for (size_t i = 0; i < found.size(); ++i) {
      const auto expected = static_cast<double>(jacobi.singularValues()[static_cast<int64_t>(i)]);
      EXPECT_NEAR(found[i], expected, 20 * this->kEps * found[0]) << rows << " x " << cols << ", value " << i;
      EXPECT_GE(found[i], 0);
    }
  }
}

TYPED_TEST(SingularValuesTest, OfTheTransposeAreTheSame) {
  const auto a = random_matrix<TypeParam>(33, 50, 2);
  const std::vector<double> one = values_of(a), other = values_of<TypeParam>(a.transpose());
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], other[i], 20 * this->kEps * one[0]);
}

// Where a Gram matrix sees noise below sqrt(eps), the direct route is good down to eps.
TYPED_TEST(SingularValuesTest, OfASpectrumWiderThanTheRootOfEpsAreGood) {
  const std::vector<double> expected{1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5};
  const Matrix<double> a = test::symmetric_with(expected, 3);
  const std::vector<double> found = values_of<TypeParam>(a.cast<TypeParam>());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 10 * this->kEps);
}

TYPED_TEST(SingularValuesTest, OfAZeroMatrixAreZerosAndOfAnEmptyOneAreNone) {
  EXPECT_EQ(values_of<TypeParam>(Matrix<TypeParam>::Zero(5, 3)), std::vector<double>(3, 0.0));
  EXPECT_TRUE(values_of(Matrix<TypeParam>(0, 3)).empty());
  EXPECT_TRUE(values_of(Matrix<TypeParam>(3, 0)).empty());
}

TYPED_TEST(SingularValuesTest, OfHugeAndSmallMatricesDoNotOverflow) {
  const bool single = std::is_same_v<TypeParam, float>;
  const auto a = random_matrix<TypeParam>(20, 30, 4);
  const std::vector<double> expected = values_of(a);
  for (double size : {single ? 1e30 : 1e300, single ? 1e-30 : 1e-300}) {
    const std::vector<double> found = values_of<TypeParam>(a * static_cast<TypeParam>(size));
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] / size, expected[i], 20 * this->kEps * expected[0]);
  }
}

TYPED_TEST(SingularValuesTest, OfAMatrixWithNanOrInfinityDoNotConverge) {
  using Limits = std::numeric_limits<TypeParam>;
  for (TypeParam bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
    for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {12, 5}, {5, 12}, {40, 40}}) {
      auto a = random_matrix<TypeParam>(rows, cols, 5);
      a(rows - 1, cols / 2) = bad;
      const SingularValues found = singular_values_direct(a);
      EXPECT_FALSE(found.converged) << bad << ", " << rows << " x " << cols;
      EXPECT_EQ(found.values.size(), static_cast<size_t>(std::min(rows, cols)));
    }
  }
}

TYPED_TEST(SingularValuesTest, HaveTheSameBitsForAnyNumberOfThreads) {
  const auto a = random_matrix<TypeParam>(200, 150, 6);
  std::vector<double> expected;
  {
    const test::Threads one(1);
    expected = values_of(a);
  }
  for (int count : {2, 3}) {
    const test::Threads threads(count);
    EXPECT_TRUE(test::same_bits(values_of(a), expected)) << count << " threads";
  }
}

}  // namespace
}  // namespace prunenet
