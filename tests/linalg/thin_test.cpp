// Thin products against the same sums written out: exact for whole numbers, and the same bits for any number of threads.
#include "linalg/thin.h"

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::integer_matrix;
using test::random_matrix;

template <typename Real>
class ThinTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(ThinTest, Reals);

TYPED_TEST(ThinTest, SymmetricProductReadsTheUpperTriangleAlone) {
  for (int64_t n : {1, 2, 7, 8, 9, 16, 255, 256, 257, 530}) {
    SCOPED_TRACE(n);
    Matrix<TypeParam> upper = integer_matrix<TypeParam>(n, n, 1);
    Matrix<TypeParam> whole = upper;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < i; ++j) whole(i, j) = whole(j, i);
    }
    test::fill_lower(upper, std::numeric_limits<TypeParam>::quiet_NaN());
    const auto x = integer_matrix<TypeParam>(n, kThinVectors, 2);
    Matrix<TypeParam> y = Matrix<TypeParam>::Constant(n, kThinVectors, 7);  // overwritten
    multiply_symmetric_thin<TypeParam>(block_of(std::as_const(upper)), x, y);
    EXPECT_EQ(y, whole * x);
  }
}

TYPED_TEST(ThinTest, GramProductTakesTheRowsItIsGiven) {
  const auto a = integer_matrix<TypeParam>(300, 41, 3);
  const auto x = integer_matrix<TypeParam>(41, kThinVectors, 4);
  for (const std::vector<int64_t>& rows : {std::vector<int64_t>{}, {299}, {0, 5, 7, 8, 9, 10, 11, 12, 200}}) {
    Matrix<TypeParam> expected = Matrix<TypeParam>::Constant(41, kThinVectors, 2), y = expected;
    for (int64_t row : rows) expected -= a.row(row).transpose() * (a.row(row) * x);
    add_gram_product_thin<TypeParam>(block_of(a), rows, -1, x, y);
    EXPECT_EQ(y, expected) << rows.size() << " rows";
  }
  Matrix<TypeParam> y = x;
  test::expect_error(ErrorCode::kInternal, {}, [&] { add_gram_product_thin<TypeParam>(block_of(a), std::vector<int64_t>{300}, 1, x, y); });
}

TYPED_TEST(ThinTest, InnerProductsAreThoseOfTheColumns) {
  const std::vector<Matrix<TypeParam>> xs{integer_matrix<TypeParam>(1100, kThinVectors, 5),
                                          integer_matrix<TypeParam>(1100, kThinVectors, 6)};
  const auto y = integer_matrix<TypeParam>(1100, kThinVectors, 7);
  const Matrix<double> found = thin_inner_products<TypeParam>(xs, y);
  ASSERT_EQ(found.rows(), 2);
  for (int64_t k = 0; k < 2; ++k) {
    for (int64_t v = 0; v < kThinVectors; ++v)
      EXPECT_EQ(found(k, v), static_cast<double>(xs[static_cast<size_t>(k)].col(v).dot(y.col(v))));
  }
}

TYPED_TEST(ThinTest, SubtractionTakesEveryColumnTimesItsFactor) {
  const std::vector<Matrix<TypeParam>> xs{integer_matrix<TypeParam>(1100, kThinVectors, 5),
                                          integer_matrix<TypeParam>(1100, kThinVectors, 6)};
  const auto factors = integer_matrix<TypeParam>(2, kThinVectors, 8);
  Matrix<TypeParam> y = integer_matrix<TypeParam>(1100, kThinVectors, 7), expected = y;
  for (int64_t k = 0; k < 2; ++k) {
    for (int64_t v = 0; v < kThinVectors; ++v) expected.col(v) -= factors(k, v) * xs[static_cast<size_t>(k)].col(v);
  }
  subtract_thin<TypeParam>(xs, factors, y);
  EXPECT_EQ(y, expected);
  test::expect_error(ErrorCode::kInternal, {}, [&] { subtract_thin<TypeParam>({xs.data(), 1}, factors, y); });
}

TYPED_TEST(ThinTest, HasTheSameBitsForAnyNumberOfThreads) {
  const auto s = random_matrix<TypeParam>(700, 700, 7), x = random_matrix<TypeParam>(700, kThinVectors, 8);
  const auto a = random_matrix<TypeParam>(1500, 700, 9);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < 1500; i += 2) rows.push_back(i);
  Matrix<TypeParam> first;
  for (int threads : {1, 2, 3}) {
    const test::Threads several(threads);
    Matrix<TypeParam> y(700, kThinVectors);
    multiply_symmetric_thin<TypeParam>(block_of(s), x, y);
    add_gram_product_thin<TypeParam>(block_of(a), rows, -1, x, y);
    const std::vector<Matrix<TypeParam>> xs(8, x);
    const Matrix<double> products = thin_inner_products<TypeParam>(xs, y);
    subtract_thin<TypeParam>(xs, (products * 1e-6).template cast<TypeParam>(), y);
    if (threads == 1) first = y;
    EXPECT_EQ(y, first) << threads << " threads";
  }
}

}  // namespace
}  // namespace prunenet
