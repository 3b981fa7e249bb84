// Cholesky factors, solves and inverses: the residual of the defining equation, for sizes around block borders and for
// matrices that are nearly and truly not positive definite.
#include "linalg/cholesky.h"

#include <cmath>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

template <typename Real>
class CholeskyTest : public testing::Test {
 protected:
  static constexpr double kEps = static_cast<double>(std::numeric_limits<Real>::epsilon());
};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(CholeskyTest, Reals);

// Eigenvalues from 1 down to `smallest`, evenly in their logarithm.
Matrix<double> positive(int64_t n, double smallest, uint32_t seed) {
  std::vector<double> eigenvalues(static_cast<size_t>(n));
  for (size_t i = 0; i < eigenvalues.size(); ++i) {
    eigenvalues[i] = n == 1 ? 1 : std::pow(smallest, static_cast<double>(i) / static_cast<double>(n - 1));
  }
  return test::symmetric_with(eigenvalues, seed);
}

template <typename Real>
Matrix<double> upper_as_whole(const Matrix<Real>& a) {
  Matrix<double> s = a.template cast<double>();
  for (int64_t i = 0; i < s.rows(); ++i) {
    for (int64_t j = 0; j < i; ++j) s(i, j) = s(j, i);
  }
  return s;
}

template <typename Real>
Matrix<Real> only_upper(const Matrix<double>& s) {
  Matrix<Real> a = s.cast<Real>();
  test::fill_lower(a, std::numeric_limits<Real>::quiet_NaN());
  return a;
}

constexpr int64_t kSizes[] = {1, 2, 63, 64, 65, 129, 300, 577};

TYPED_TEST(CholeskyTest, FactorsMultiplyToTheMatrix) {
  for (const int64_t n : kSizes) {
    Matrix<TypeParam> a = only_upper<TypeParam>(positive(n, 1e-3, 1));
    const Matrix<double> exact = upper_as_whole(a);
    ASSERT_TRUE(cholesky(block_of(a))) << n;
    Matrix<double> u = a.template cast<double>();
    test::fill_lower(u, 0.0);
    EXPECT_LT((u.transpose() * u - exact).norm(), 4 * this->kEps * exact.norm()) << n;
  }
}

TYPED_TEST(CholeskyTest, SolvesToASmallResidual) {
  for (const int64_t n : kSizes) {
    for (const int64_t m : {1, 66, 300}) {
      Matrix<TypeParam> a = only_upper<TypeParam>(positive(n, 1e-3, 2));
      const Matrix<double> exact = upper_as_whole(a);
      const auto b = random_matrix<TypeParam>(m, n, 3);
      Matrix<TypeParam> x = b;
      ASSERT_TRUE(cholesky(block_of(a)));
      solve_with_cholesky<TypeParam>(as_const(block_of(a)), block_of(x));
      const Matrix<double> y = x.template cast<double>();
      EXPECT_LT((y * exact - b.template cast<double>()).norm(), 8 * this->kEps * exact.norm() * y.norm())
          << m << " x " << n;
    }
  }
}

TYPED_TEST(CholeskyTest, InverseTimesTheMatrixIsTheIdentity) {
  for (const int64_t n : kSizes) {
    Matrix<TypeParam> a = only_upper<TypeParam>(positive(n, 1e-3, 4));
    const Matrix<double> exact = upper_as_whole(a);
    ASSERT_TRUE(invert_positive_definite(block_of(a))) << n;
    const Matrix<double> residual = upper_as_whole(a) * exact - Matrix<double>::Identity(n, n);
    EXPECT_LT(residual.norm() / std::sqrt(static_cast<double>(n)), 1000 * this->kEps) << n;
  }
}

// What the surgeon needs of f32: a condition like 1e5 (a large mean beside a damping of 0.01) costs cond u and no more.
TYPED_TEST(CholeskyTest, InverseOfABadlyConditionedMatrixErrsByTheConditionTimesRounding) {
  const double smallest = 1e-5;
  Matrix<TypeParam> a = only_upper<TypeParam>(positive(400, smallest, 5));
  Matrix<double> exact = upper_as_whole(a);
  ASSERT_TRUE(invert_positive_definite(block_of(a)));
  ASSERT_TRUE(invert_positive_definite(block_of(exact)));
  const Matrix<double> truth = upper_as_whole(exact);
  EXPECT_LT((upper_as_whole(a) - truth).norm() / truth.norm(), 4 * this->kEps / smallest);
}

TYPED_TEST(CholeskyTest, SaysSoWhenAMatrixIsNotPositiveDefinite) {
  for (const int64_t n : {1, 5, 65, 300}) {
    for (const int64_t bad : {int64_t{0}, n / 2, n - 1}) {
      for (const double value : {0.0, -1.0, std::nan("")}) {
        Matrix<double> s = Matrix<double>::Identity(n, n);
        s(bad, bad) = value;
        Matrix<TypeParam> a = s.cast<TypeParam>(), b = a;
        EXPECT_FALSE(cholesky(block_of(a))) << n << " " << bad << " " << value;
        EXPECT_FALSE(invert_positive_definite(block_of(b))) << n << " " << bad << " " << value;
      }
    }
  }
  Matrix<TypeParam> two(2, 2), copy;
  two << 1, 2, 2, 1;
  copy = two;
  EXPECT_FALSE(cholesky(block_of(two)));
  EXPECT_FALSE(invert_positive_definite(block_of(copy)));
}

TYPED_TEST(CholeskyTest, HasTheSameBitsForAnyNumberOfThreads) {
  const Matrix<TypeParam> a = positive(700, 1e-2, 6).cast<TypeParam>();
  const auto b = random_matrix<TypeParam>(300, 700, 7);
  std::vector<Matrix<TypeParam>> found;
  for (const int count : {1, 2, 3}) {
    const test::Threads threads(count);
    Matrix<TypeParam> u = a, inverse = a, x = b;
    ASSERT_TRUE(cholesky(block_of(u)));
    solve_with_cholesky<TypeParam>(as_const(block_of(u)), block_of(x));
    ASSERT_TRUE(invert_positive_definite(block_of(inverse)));
    test::fill_lower(inverse, TypeParam{0});
    Matrix<TypeParam> all(1700, 700);
    all << u, x, inverse;
    found.push_back(all);
  }
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
}

}  // namespace
}  // namespace prunenet
