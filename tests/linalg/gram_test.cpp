// Gram matrices and matrix-vector products: against the plain loops, for sizes around every tile border.
#include "linalg/gram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::integer_matrix;
using test::random_matrix;

template <typename Real>
class GramTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(GramTest, Reals);

// A^T A by the definition; with whole numbers this is exact, and so must every other order of summation be.
template <typename Real>
Matrix<double> plain_gram_of_columns(const Matrix<Real>& a) {
  Matrix<double> gram = Matrix<double>::Zero(a.cols(), a.cols());
  for (int64_t k = 0; k < a.rows(); ++k) {
    for (int64_t i = 0; i < a.cols(); ++i) {
      for (int64_t j = i; j < a.cols(); ++j) gram(i, j) += static_cast<double>(a(k, i)) * static_cast<double>(a(k, j));
    }
  }
  return gram;
}

template <typename Real>
Matrix<Real> transposed(const Matrix<Real>& a) {
  return a.transpose();
}

// Number of entries of the upper triangle that differ.
template <typename Real>
int64_t differences(const Matrix<Real>& found, const Matrix<double>& expected) {
  if (found.rows() != expected.rows() || found.cols() != expected.cols()) return -1;
  int64_t count = 0;
  for (int64_t i = 0; i < found.rows(); ++i) {
    for (int64_t j = i; j < found.cols(); ++j) count += static_cast<double>(found(i, j)) != expected(i, j);
  }
  return count;
}

struct Size {
  int64_t rows, cols;
};

// Tiles have 64 columns below 512, 128 from there, 512 from 2048.
std::vector<Size> sizes_at_the_borders() {
  std::vector<Size> sizes;
  for (int64_t n : {127, 128, 129, 191, 511, 512, 513, 639, 641}) {
    for (int64_t m : {1, 5, 33}) sizes.push_back({m, n});
  }
  sizes.insert(sizes.end(), {{513, 130}, {2000, 70}, {300, 300}, {3, 2047}, {3, 2048}, {40, 2049}, {2, 2561}});
  return sizes;
}

TYPED_TEST(GramTest, EqualsThePlainLoopsForEverySmallSize) {
  for (int64_t n = 1; n <= 70; ++n) {
    for (int64_t m : {int64_t{1}, n, 71 - n, (7 * n) % 41 + 1}) {
      const auto a = integer_matrix<TypeParam>(m, n, static_cast<uint32_t>(100 * n + m));
      const Matrix<double> expected = plain_gram_of_columns(a);
      ASSERT_EQ(differences(gram_of_columns(a), expected), 0) << m << " x " << n;
      ASSERT_EQ(differences(gram_of_rows(transposed(a)), expected), 0) << n << " x " << m;
    }
  }
}

TYPED_TEST(GramTest, EqualsThePlainLoopsAroundTileBorders) {
  for (const Size& size : sizes_at_the_borders()) {
    const auto a = integer_matrix<TypeParam>(size.rows, size.cols, static_cast<uint32_t>(size.cols));
    const Matrix<double> expected = plain_gram_of_columns(a);
    EXPECT_EQ(differences(gram_of_columns(a), expected), 0) << size.rows << " x " << size.cols;
    EXPECT_EQ(differences(gram_of_rows(transposed(a)), expected), 0) << size.cols << " x " << size.rows;
  }
}

// |error| <= (m + 1) eps sum |a_ki a_kj| for a sum of m products in any order (Higham 2002, section 3.1).
TYPED_TEST(GramTest, RoundsNoWorseThanASumOfProductsMay) {
  const auto a = random_matrix<TypeParam>(333, 150, 1);
  const Matrix<double> exact = plain_gram_of_columns(a), sizes = plain_gram_of_columns<TypeParam>(a.cwiseAbs());
  const double bound = 334 * static_cast<double>(std::numeric_limits<TypeParam>::epsilon());
  const Matrix<TypeParam> columns = gram_of_columns(a), rows = gram_of_rows(transposed(a));
  for (int64_t i = 0; i < 150; ++i) {
    for (int64_t j = i; j < 150; ++j) {
      ASSERT_NEAR(static_cast<double>(columns(i, j)), exact(i, j), bound * sizes(i, j));
      ASSERT_NEAR(static_cast<double>(rows(i, j)), exact(i, j), bound * sizes(i, j));
    }
  }
}

TYPED_TEST(GramTest, OfNoRowsIsZeroAndOfNoColumnsIsEmpty) {
  const Matrix<TypeParam> none(0, 70);
  EXPECT_EQ(differences(gram_of_columns(none), Matrix<double>::Zero(70, 70)), 0);
  EXPECT_EQ(gram_of_rows(none).size(), 0);
  EXPECT_EQ(gram_of_columns(Matrix<TypeParam>(5, 0)).size(), 0);
}

TYPED_TEST(GramTest, WithoutTheRemovedRowsEqualsTheGramOfTheKeptOnes) {
  for (const Size& size : {Size{9, 1}, Size{90, 63}, Size{90, 65}, Size{40, 513}, Size{300, 300}}) {
    const auto a = integer_matrix<TypeParam>(size.rows, size.cols, 17);
    for (int64_t step : {2, 3, 7}) {
      std::vector<int64_t> kept, removed;
      for (int64_t i = 0; i < size.rows; ++i) (i % step == 1 ? removed : kept).push_back(i);
      Matrix<TypeParam> gram = gram_of_columns(a);
      downdate_gram(gather_rows<TypeParam>(a, removed), gram);
      EXPECT_EQ(differences(gram, plain_gram_of_columns(gather_rows<TypeParam>(a, kept))), 0)
          << size.rows << " x " << size.cols << " without each " << step << "th";
    }
  }
}

TYPED_TEST(GramTest, WithoutNoRowsStaysAsItIs) {
  const auto a = integer_matrix<TypeParam>(20, 66, 3);
  Matrix<TypeParam> gram = gram_of_columns(a);
  downdate_gram(Matrix<TypeParam>(0, 66), gram);
  EXPECT_EQ(differences(gram, plain_gram_of_columns(a)), 0);
}

TYPED_TEST(GramTest, GatherTakesRowsInTheOrderGivenAndRepeatsThem) {
  Matrix<TypeParam> a(3, 2);
  a << 1, 2, 3, 4, 5, 6;
  Matrix<TypeParam> expected(4, 2);
  expected << 5, 6, 1, 2, 5, 6, 3, 4;
  EXPECT_EQ(gather_rows<TypeParam>(a, std::vector<int64_t>{2, 0, 2, 1}), expected);
  const Matrix<TypeParam> none = gather_rows<TypeParam>(a, std::vector<int64_t>{});
  EXPECT_EQ(none.rows(), 0);
  EXPECT_EQ(none.cols(), 2);
}

TYPED_TEST(GramTest, ProductsWithVectorsEqualThePlainLoops) {
  const std::vector<Size> sizes{{1, 1},   {1, 9},   {9, 1},   {70, 31},   {255, 3},
                                {256, 8}, {257, 5}, {511, 2}, {513, 140}, {1500, 64}};
  for (const Size& size : sizes) {  // rows are taken in panels of 256
    const auto a = integer_matrix<TypeParam>(size.rows, size.cols, 5);
    const Vector<TypeParam> x = integer_matrix<TypeParam>(size.cols, 1, 6).col(0);
    const Vector<TypeParam> y = integer_matrix<TypeParam>(size.rows, 1, 7).col(0);
    Vector<TypeParam> ax = Vector<TypeParam>::Zero(size.rows), aty = Vector<TypeParam>::Zero(size.cols);
    for (int64_t i = 0; i < size.rows; ++i) {
      for (int64_t j = 0; j < size.cols; ++j) {
        ax[i] += a(i, j) * x[j];
        aty[j] += a(i, j) * y[i];
      }
    }
    EXPECT_EQ(multiply<TypeParam>(a, x), ax) << size.rows << " x " << size.cols;
    EXPECT_EQ(multiply_transposed<TypeParam>(a, y), aty) << size.rows << " x " << size.cols;
  }
}

TYPED_TEST(GramTest, TransposedProductWithNoRowsIsZero) {
  EXPECT_EQ(multiply_transposed<TypeParam>(Matrix<TypeParam>(0, 4), Vector<TypeParam>(0)), Vector<TypeParam>::Zero(4));
}

// Every kernel on a problem large enough for threads (beyond 2^16 elements), into one list of numbers.
template <typename Real>
std::vector<double> all_results(const Matrix<Real>& a) {
  std::vector<double> results;
  const auto add_upper = [&](const Matrix<Real>& gram) {
    for (int64_t i = 0; i < gram.rows(); ++i) {
      for (int64_t j = i; j < gram.cols(); ++j) results.push_back(static_cast<double>(gram(i, j)));
    }
  };
  Matrix<Real> gram = gram_of_columns(a);
  add_upper(gram);
  downdate_gram<Real>(a.topRows(a.rows() / 2), gram);
  add_upper(gram);
  add_upper(gram_of_rows(a));
  for (Real y : multiply<Real>(a, Vector<Real>(a.row(0)))) results.push_back(static_cast<double>(y));
  for (Real y : multiply_transposed<Real>(a, Vector<Real>(a.col(0)))) results.push_back(static_cast<double>(y));
  return results;
}

TYPED_TEST(GramTest, HasTheSameBitsForAnyNumberOfThreads) {
  for (const Size& size : {Size{700, 300}, Size{300, 700}, Size{1100, 130}}) {
    const auto a = random_matrix<TypeParam>(size.rows, size.cols, 8);
    std::vector<double> expected;
    {
      const test::Threads one(1);
      expected = all_results(a);
    }
    for (int count : {2, 3, 0}) {
      const test::Threads threads(count);
      EXPECT_TRUE(test::same_bits(all_results(a), expected))
          << count << " threads, " << size.rows << " x " << size.cols;
    }
  }
}

}  // namespace
}  // namespace prunenet
