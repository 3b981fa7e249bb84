// Eigenvalues of ugly matrices: NaN and infinity, numbers near the ends of the range, entries of very different size;
// and the same bits for any number of threads.
#include <algorithm>
#include <cmath>

#include "linalg/eigenvalues.h"
#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

template <typename Real>
class EigenvaluesEdgeTest : public testing::Test {
 protected:
  static constexpr double kEps = std::numeric_limits<Real>::epsilon();
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(EigenvaluesEdgeTest, Reals);

template <typename Real>
Matrix<Real> random_symmetric(int64_t n, uint32_t seed) {
  const auto half = random_matrix<Real>(n, n, seed);
  return half + half.transpose();
}

template <typename Real>
std::vector<double> eigenvalues_of(Matrix<Real> a) {
  const Eigenvalues found = symmetric_eigenvalues(a);
  EXPECT_TRUE(found.converged);
  return found.values;
}

TYPED_TEST(EigenvaluesEdgeTest, OfAMatrixWithNanOrInfinityDoNotConverge) {
  const test::Threads one(1);
  using Limits = std::numeric_limits<TypeParam>;
  for (int64_t n : {1, 2, 3, 40, 420}) {
    const std::vector<std::pair<int64_t, int64_t>> places{{0, 0}, {0, n - 1}, {n / 2, n - 1}, {n - 1, n - 1}};
    for (TypeParam bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
      for (const auto& [row, col] : places) {
        auto a = random_symmetric<TypeParam>(n, 4);
        a(row, col) = bad;
        EXPECT_FALSE(symmetric_eigenvalues(a).converged) << bad << " at " << row << ", " << col << " of " << n;
        Matrix<TypeParam> sparse = Matrix<TypeParam>::Zero(n, n);
        sparse(row, col) = bad;
        EXPECT_FALSE(symmetric_eigenvalues(sparse).converged) << bad << " among zeros of " << n;
      }
      Matrix<TypeParam> full = Matrix<TypeParam>::Constant(n, n, bad);
      const Eigenvalues found = symmetric_eigenvalues(full);
      EXPECT_FALSE(found.converged) << "all " << bad;
      EXPECT_EQ(found.values.size(), static_cast<size_t>(n));
    }
  }
}

// A power of two is exact: the scaled matrix has the scaled eigenvalues, bit by bit, to the ends of the range.
TYPED_TEST(EigenvaluesEdgeTest, ScaleExactlyWithPowersOfTwo) {
  using Limits = std::numeric_limits<TypeParam>;
  const auto a = random_symmetric<TypeParam>(50, 21);  // largest entry between 1 and 2
  const std::vector<double> expected = eigenvalues_of(a);
  // Below min_exponent + digits the smaller entries would become denormal and lose bits.
  for (int exponent : {Limits::max_exponent - 1, Limits::max_exponent - 2, 60, 1, -1, -60,
                       Limits::min_exponent + 40 + Limits::digits}) {
    std::vector<double> found = eigenvalues_of<TypeParam>(a * std::ldexp(TypeParam{1}, exponent));
    if (exponent > Limits::max_exponent - 10 && std::is_same_v<TypeParam, double>) {
      // The eigenvalues themselves (up to about 8 here) are beyond the range of f64.
      EXPECT_EQ(found.size(), expected.size());
      continue;
    }
    for (double& x : found) x = std::ldexp(x, -exponent);
    EXPECT_TRUE(test::same_bits(found, expected)) << "2^" << exponent;
  }
}

TYPED_TEST(EigenvaluesEdgeTest, OfHugeAndSmallMatricesAreAsGoodAsOfOthers) {
  const bool single = std::is_same_v<TypeParam, float>;
  const auto a = random_symmetric<TypeParam>(40, 31);
  const std::vector<double> expected = eigenvalues_of(a);
  const double largest = std::max(-expected.front(), expected.back());
  for (double size : {single ? 1e30 : 1e300, single ? 1e-30 : 1e-300}) {
    const std::vector<double> found = eigenvalues_of<TypeParam>(a * static_cast<TypeParam>(size));
    // Rounding each entry once more moves eigenvalues by at most eps / 2 times the Frobenius norm, <= sqrt(40) largest.
    for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i] / size, expected[i], 16 * this->kEps * largest);
  }
}

TYPED_TEST(EigenvaluesEdgeTest, OfDenormalMatricesAreRight) {
  using Limits = std::numeric_limits<TypeParam>;
  Matrix<TypeParam> tiny(2, 2);
  tiny << 2 * Limits::denorm_min(), Limits::denorm_min(), 0, 2 * Limits::denorm_min();
  const Eigenvalues found = symmetric_eigenvalues(tiny);  // 1 and 3 smallest numbers
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.values[0] / static_cast<double>(Limits::denorm_min()), 1, 4 * this->kEps);
  EXPECT_NEAR(found.values[1] / static_cast<double>(Limits::denorm_min()), 3, 4 * this->kEps);
}

TYPED_TEST(EigenvaluesEdgeTest, OfTheLargestNumberIsThatNumber) {
  Matrix<TypeParam> a = Matrix<TypeParam>::Constant(1, 1, std::numeric_limits<TypeParam>::max());
  const Eigenvalues found = symmetric_eigenvalues(a);
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.values, std::vector<double>{static_cast<double>(std::numeric_limits<TypeParam>::max())});
}

// Rows and columns that are next to nothing beside the others, as dead neurons are. Their block may be lost in rounding
// errors of the rest, but must not disturb it: [B, 0; 0, t C] has the eigenvalues of B and those of t C.
TYPED_TEST(EigenvaluesEdgeTest, OfBlocksOfVeryDifferentSizeDoNotDisturbEachOther) {
  using Limits = std::numeric_limits<TypeParam>;
  constexpr int64_t kHalf = 20;
  const auto block = random_symmetric<TypeParam>(kHalf, 41);
  std::vector<double> expected = eigenvalues_of(block);
  const double largest = std::max(-expected.front(), expected.back());
  expected.resize(2 * kHalf, 0.0);
  std::sort(expected.begin(), expected.end());
  for (int exponent = -Limits::digits - 10; exponent > Limits::min_exponent - Limits::digits; exponent -= 3) {
    for (bool tiny_first : {false, true}) {
      Matrix<TypeParam> a = Matrix<TypeParam>::Zero(2 * kHalf, 2 * kHalf);
      const Matrix<TypeParam> tiny = block * std::ldexp(TypeParam{1}, exponent);
      a.topLeftCorner(kHalf, kHalf) = tiny_first ? tiny : block;
      a.bottomRightCorner(kHalf, kHalf) = tiny_first ? block : tiny;
      const Eigenvalues found = symmetric_eigenvalues(a);
      ASSERT_TRUE(found.converged) << "2^" << exponent;
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(found.values[i], expected[i], 32 * this->kEps * largest)
            << "2^" << exponent << ", tiny first: " << tiny_first;
      }
    }
  }
}

// A first row that is next to nothing beside a full matrix: squares of its entries fall below the range.
TYPED_TEST(EigenvaluesEdgeTest, ATinyRowDoesNotDisturbTheRest) {
  using Limits = std::numeric_limits<TypeParam>;
  constexpr int64_t kRest = 30;
  const auto rest = random_symmetric<TypeParam>(kRest, 51);
  std::vector<double> expected = eigenvalues_of(rest);
  const double largest = std::max(-expected.front(), expected.back());
  expected.push_back(0.0);
  std::sort(expected.begin(), expected.end());
  const auto row = random_matrix<TypeParam>(1, kRest, 52);
  for (int exponent = -Limits::digits - 10; exponent > Limits::min_exponent - Limits::digits; --exponent) {
    Matrix<TypeParam> a = Matrix<TypeParam>::Zero(kRest + 1, kRest + 1);
    a.bottomRightCorner(kRest, kRest) = rest;
    a.topRightCorner(1, kRest) = row * std::ldexp(TypeParam{1}, exponent);
    const Eigenvalues found = symmetric_eigenvalues(a);
    ASSERT_TRUE(found.converged) << "2^" << exponent;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(found.values[i], expected[i], 32 * this->kEps * largest) << "2^" << exponent;
    }
  }
}

// Entries from 1 down to 1e-20 along both sides: D A D with D from 1 to 1e-10.
TYPED_TEST(EigenvaluesEdgeTest, OfAGradedMatrixKeepTraceAndOrder) {
  for (bool descending : {true, false}) {
    Matrix<TypeParam> a = random_symmetric<TypeParam>(100, 61);
    a.diagonal().setConstant(3);
    for (int64_t i = 0; i < 100; ++i) {
      const auto size = static_cast<TypeParam>(std::pow(1e-10, static_cast<double>(descending ? i : 99 - i) / 99));
      a.row(i) *= size;
      a.col(i) *= size;
    }
    const Matrix<double> exact = a.template cast<double>();
    const std::vector<double> found = eigenvalues_of(a);
    double trace = 0, squares = 0;
    for (double x : found) {
      trace += x;
      squares += x * x;
    }
    EXPECT_NEAR(trace, exact.trace(), 40 * this->kEps * exact.norm()) << descending;
    EXPECT_NEAR(std::sqrt(squares), exact.norm(), 40 * this->kEps * exact.norm()) << descending;
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
  }
}

// Threads are used while more than 384 rows are left.
TYPED_TEST(EigenvaluesEdgeTest, HaveTheSameBitsForAnyNumberOfThreads) {
  for (const auto& [n, count] : {std::pair{700, 2}, std::pair{450, 3}, std::pair{450, 0}}) {
    const auto a = random_symmetric<TypeParam>(n, 71);
    std::vector<double> expected;
    {
      const test::Threads one(1);
      expected = eigenvalues_of(a);
    }
    const test::Threads threads(count);
    EXPECT_TRUE(test::same_bits(eigenvalues_of(a), expected)) << count << " threads, n = " << n;
  }
}

// What lies below the diagonal may be anything, and anything else each time.
TYPED_TEST(EigenvaluesEdgeTest, DoNotSeeTheLowerTriangle) {
  auto a = random_symmetric<TypeParam>(130, 81);
  const std::vector<double> expected = eigenvalues_of(a);
  for (TypeParam other :
       {TypeParam{0}, std::numeric_limits<TypeParam>::quiet_NaN(), std::numeric_limits<TypeParam>::max()}) {
    test::fill_lower(a, other);
    EXPECT_TRUE(test::same_bits(eigenvalues_of(a), expected)) << other;
  }
}

}  // namespace
}  // namespace prunenet
