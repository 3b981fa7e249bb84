// Eigenvalues of symmetric matrices: against another implementation, against spectra known in closed form, and by what
// every similarity transformation preserves.
#include "linalg/eigenvalues.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;
using test::symmetric_with;

template <typename Real>
class EigenvaluesTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(EigenvaluesTest, Reals);

// Backward stability: the values are those of a matrix that differs by a modest multiple of eps times the largest
// eigenvalue in size. Rounding errors of n reflections add up like a random walk; measured are up to 1.8 sqrt(n) eps
// (n = 500: 32 eps of f32, 40 eps of f64, where LAPACK's dsyev has 33), so 4 sqrt(n) eps leaves a factor of two.
template <typename Real>
double error_bound(int64_t n, double largest) {
  return 4 * std::sqrt(static_cast<double>(n)) * static_cast<double>(std::numeric_limits<Real>::epsilon()) * largest;
}

double largest_size(const std::vector<double>& values) {
  double largest = 0;
  for (double x : values) largest = std::max(largest, std::abs(x));
  return largest;
}

// Checks number, order and distance; `expected` in any order.
template <typename Real>
void expect_eigenvalues(const Matrix<double>& a, std::vector<double> expected, const std::string& what) {
  std::sort(expected.begin(), expected.end());
  Matrix<Real> input = a.cast<Real>();
  const test::Threads one(
      1);  // threads are the business of another test; waiting for them on a busy machine takes long
  test::fill_lower(input, std::numeric_limits<Real>::quiet_NaN());  // only the upper triangle is the matrix
  const Eigenvalues found = symmetric_eigenvalues(input);
  EXPECT_TRUE(found.converged) << what;
  ASSERT_EQ(found.values.size(), expected.size()) << what;
  EXPECT_TRUE(std::is_sorted(found.values.begin(), found.values.end())) << what;
  const double bound = error_bound<Real>(a.rows(), largest_size(expected));
  double error = 0;
  for (size_t i = 0; i < expected.size(); ++i) error = std::max(error, std::abs(found.values[i] - expected[i]));
  EXPECT_LE(error, bound) << what;
}

// In long double: Eigen's own errors in double are larger than ours.
std::vector<double> eigen_eigenvalues(const Matrix<double>& a) {
  using LongMatrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::SelfAdjointEigenSolver<LongMatrix> solver(a.cast<long double>(), Eigen::EigenvaluesOnly);
  return {solver.eigenvalues().begin(), solver.eigenvalues().end()};
}

// 32 columns are reduced together, 384 is where threads begin, 256 a tile of the update, 512 a chunk of vectors.
TYPED_TEST(EigenvaluesTest, AgreeWithEigenForRandomMatrices) {
  for (int64_t n : {1, 2, 3, 4, 5, 31, 32, 33, 34, 63, 64, 65, 97, 100, 257, 385, 500}) {
    const auto half = random_matrix<double>(n, n, static_cast<uint32_t>(n));
    const Matrix<float> single = (half + half.transpose()).cast<float>();  // numbers that both types hold
    expect_eigenvalues<TypeParam>(single.cast<double>(), eigen_eigenvalues(single.cast<double>()), "random");
  }
}

TYPED_TEST(EigenvaluesTest, AgreeWithEigenForGramMatrices) {
  for (int64_t n : {40, 130}) {
    for (int64_t m : {n / 2, n, 3 * n}) {  // n / 2: half of the eigenvalues are zero
      const Matrix<double> a = random_matrix<float>(m, n, 9).cast<double>();
      const Matrix<double> gram = (a.transpose() * a).cast<float>().cast<double>();
      expect_eigenvalues<TypeParam>(gram, eigen_eigenvalues(gram), "Gram");
    }
  }
}

TYPED_TEST(EigenvaluesTest, AreTheOnesTheMatrixWasMadeOf) {
  for (int64_t n : {2, 33, 70, 400, 521}) {
    std::vector<double> uniform, clustered, geometric, opposite;
    for (int64_t i = 0; i < n; ++i) {
      const double x = static_cast<double>(i + 1) / static_cast<double>(n);
      uniform.push_back(x);
      clustered.push_back(i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : -2);
      geometric.push_back(std::pow(1e-20, 1 - x));
      opposite.push_back(i % 2 == 0 ? x : -x);
    }
    const auto seed = static_cast<uint32_t>(n);
    // Rounding the matrix to Real moves its eigenvalues by eps / 2 times its norm, which the bound has room for.
    expect_eigenvalues<TypeParam>(symmetric_with(uniform, seed), uniform, "uniform");
    expect_eigenvalues<TypeParam>(symmetric_with(clustered, seed), clustered, "clustered");
    expect_eigenvalues<TypeParam>(symmetric_with(geometric, seed), geometric, "geometric");
    expect_eigenvalues<TypeParam>(symmetric_with(opposite, seed), opposite, "opposite");
  }
}

// The matrix of min(i, j), i, j from 1, is dense and has the eigenvalues 1 / (4 sin^2((2k - 1) pi / (4n + 2))).
TYPED_TEST(EigenvaluesTest, OfTheMatrixOfMinimaAreThoseOfTheClosedForm) {
  for (int64_t n : {1, 2, 7, 64, 600}) {
    Matrix<double> a(n, n);
    std::vector<double> expected;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) a(i, j) = static_cast<double>(std::min(i, j) + 1);
      const double sine = std::sin(static_cast<double>(2 * i + 1) * std::numbers::pi / static_cast<double>(4 * n + 2));
      expected.push_back(1 / (4 * sine * sine));
    }
    expect_eigenvalues<TypeParam>(a, expected, "minima");
  }
}

TYPED_TEST(EigenvaluesTest, OfTheSecondDifferenceAreThoseOfTheClosedForm) {
  for (int64_t n : {2, 33, 200}) {
    Matrix<double> a = Matrix<double>::Zero(n, n);
    std::vector<double> expected;
    for (int64_t i = 0; i < n; ++i) {
      a(i, i) = 2;
      if (i > 0) a(i, i - 1) = a(i - 1, i) = -1;
      expected.push_back(2 - 2 * std::cos(static_cast<double>(i + 1) * std::numbers::pi / static_cast<double>(n + 1)));
    }
    expect_eigenvalues<TypeParam>(a, expected, "second difference");
  }
}

// Wilkinson (1965), page 309: W21+ has two eigenvalues that agree to 14 digits.
TYPED_TEST(EigenvaluesTest, OfWilkinsonsMatrixComeInTheirAlmostEqualPairs) {
  Matrix<double> a = Matrix<double>::Zero(21, 21);
  for (int64_t i = 0; i < 21; ++i) {
    a(i, i) = static_cast<double>(std::abs(i - 10));
    if (i > 0) a(i, i - 1) = a(i - 1, i) = 1;
  }
  Matrix<TypeParam> input = a.template cast<TypeParam>();
  const Eigenvalues found = symmetric_eigenvalues(input);
  const double bound = error_bound<TypeParam>(21, 10.746194182903393);
  EXPECT_NEAR(found.values[20], 10.746194182903393, bound);
  EXPECT_NEAR(found.values[19], 10.746194182903322, bound);
  EXPECT_NEAR(found.values[0], -1.125441522119985, bound);
  expect_eigenvalues<TypeParam>(a, eigen_eigenvalues(a), "Wilkinson");
}

// No arithmetic but scaling by a power of two touches a diagonal: exact, and sorted.
TYPED_TEST(EigenvaluesTest, OfADiagonalMatrixAreItsDiagonal) {
  for (int64_t n : {1, 2, 31, 32, 33, 90}) {
    const auto diagonal = random_matrix<TypeParam>(n, 1, 12);
    Matrix<TypeParam> a = Matrix<TypeParam>::Zero(n, n);
    a.diagonal() = diagonal.col(0);
    std::vector<double> expected(diagonal.data(), diagonal.data() + n);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(symmetric_eigenvalues(a).values, expected) << n;
  }
}

TYPED_TEST(EigenvaluesTest, OfTheIdentityAreOnesAndOfZeroAreZeros) {
  for (int64_t n : {1, 2, 33, 400}) {
    Matrix<TypeParam> identity = Matrix<TypeParam>::Identity(n, n), zero = Matrix<TypeParam>::Zero(n, n);
    EXPECT_EQ(symmetric_eigenvalues(identity).values, std::vector<double>(static_cast<size_t>(n), 1.0));
    const Eigenvalues none = symmetric_eigenvalues(zero);
    EXPECT_TRUE(none.converged);
    EXPECT_EQ(none.values, std::vector<double>(static_cast<size_t>(n), 0.0));
  }
}

TYPED_TEST(EigenvaluesTest, OfTheEmptyMatrixAreNone) {
  Matrix<TypeParam> empty(0, 0);
  const Eigenvalues found = symmetric_eigenvalues(empty);
  EXPECT_TRUE(found.converged);
  EXPECT_TRUE(found.values.empty());
}

TYPED_TEST(EigenvaluesTest, OfARankOneMatrixAreItsNormAndZeros) {
  for (int64_t n : {2, 32, 65, 390}) {
    for (double sign : {1.0, -1.0}) {
      const Vector<double> x = random_matrix<float>(n, 1, 3).template cast<double>().col(0);
      std::vector<double> expected(static_cast<size_t>(n), 0.0);
      expected.front() = sign * x.squaredNorm();
      expect_eigenvalues<TypeParam>(sign * x * x.transpose(), expected, "rank one");
    }
  }
}

// Trace and Frobenius norm hold for any matrix, so no reference is needed where one would be slow.
TYPED_TEST(EigenvaluesTest, SumToTheTraceAndTheirSquaresToTheSquaredNorm) {
  for (int64_t n : {3, 64, 130, 800, 1030}) {
    const auto half = random_matrix<TypeParam>(n, n, 77);
    const Matrix<TypeParam> a = half + half.transpose();
    Matrix<TypeParam> input = a;
    const test::Threads one(1);
    const Eigenvalues found = symmetric_eigenvalues(input);
    ASSERT_TRUE(found.converged);
    double sum = 0, squares = 0;
    for (double x : found.values) {
      sum += x;
      squares += x * x;
    }
    const double norm = a.template cast<double>().norm();  // up to sqrt(n) times the largest, and so is its error
    EXPECT_NEAR(sum, a.template cast<double>().trace(), error_bound<TypeParam>(n, norm)) << n;
    EXPECT_NEAR(std::sqrt(squares), norm, error_bound<TypeParam>(n, norm)) << n;
  }
}

// Reversing rows and columns is a similarity that turns the order of elimination around.
TYPED_TEST(EigenvaluesTest, DoNotDependOnTheOrderOfRowsBeyondRounding) {
  const Matrix<double> half = random_matrix<float>(180, 180, 5).template cast<double>();
  const Matrix<double> a = (half + half.transpose()).template cast<float>().template cast<double>();
  Matrix<TypeParam> input = a.template cast<TypeParam>();
  const Eigenvalues found = symmetric_eigenvalues(input);
  expect_eigenvalues<TypeParam>(a.reverse(), found.values, "reversed");
}

}  // namespace
}  // namespace prunenet
