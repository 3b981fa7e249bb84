// Tiled products: against the plain loops for sizes around the tile borders, inside larger matrices, with the same bits
// for any number of threads.
#include "linalg/product.h"

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::integer_matrix;
using test::random_matrix;

template <typename Real>
class ProductTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(ProductTest, Reals);

constexpr int64_t kSizes[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 65, 63}, {130, 513, 40}, {600, 70, 9}, {65, 2049, 3}};

template <typename Real>
Matrix<Real> whole(const Matrix<Real>& upper) {
  Matrix<Real> s = upper;
  for (int64_t i = 0; i < s.rows(); ++i) {
    for (int64_t j = 0; j < i; ++j) s(i, j) = s(j, i);
  }
  return s;
}

// Whole numbers: exact in any order.
TYPED_TEST(ProductTest, EqualsThePlainProductForEveryTransposition) {
  for (const auto& [m, n, k] : kSizes) {
    const auto a = integer_matrix<TypeParam>(m, k, 1), b = integer_matrix<TypeParam>(k, n, 2),
               c = integer_matrix<TypeParam>(m, n, 3);
    const Matrix<TypeParam> at = a.transpose(), bt = b.transpose();
    const Matrix<TypeParam> expected = TypeParam{2} * a.lazyProduct(b) - c;
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        Matrix<TypeParam> out = c;
        product<TypeParam>(ta ? Transpose::kYes : Transpose::kNo, tb ? Transpose::kYes : Transpose::kNo, 2,
                           block_of(ta ? at : a), block_of(tb ? bt : b), -1, block_of(out));
        EXPECT_EQ(out, expected) << m << " " << n << " " << k << ta << tb;
      }
    }
  }
}

TYPED_TEST(ProductTest, WorksInsideALargerMatrixAndLeavesTheRestAlone) {
  auto big = integer_matrix<TypeParam>(90, 100, 4);
  const Matrix<TypeParam> before = big;
  const auto a = integer_matrix<TypeParam>(70, 9, 5), b = integer_matrix<TypeParam>(9, 66, 6);
  product<TypeParam>(Transpose::kNo, Transpose::kNo, 1, block_of(a), block_of(b), 1, block_of(big).part(7, 70, 11, 66));
  Matrix<TypeParam> expected = before;
  expected.block(7, 11, 70, 66) += a.lazyProduct(b);
  EXPECT_EQ(big, expected);
}

TYPED_TEST(ProductTest, SymmetricProductFillsTheUpperTriangle) {
  for (const auto& [m, n, k] : kSizes) {
    const auto a = integer_matrix<TypeParam>(k, n, 7);
    Matrix<TypeParam> c = Matrix<TypeParam>::Constant(n, n, 5);
    symmetric_product<TypeParam>(-1, block_of(a), block_of(a), 2, block_of(c));
    const Matrix<TypeParam> gram = a.transpose().lazyProduct(a);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i; j < n; ++j) ASSERT_EQ(c(i, j), 10 - gram(i, j)) << m << " " << n;
    }
  }
}

TYPED_TEST(ProductTest, ProductsWithASymmetricMatrixReadItsUpperTriangleOnly) {
  for (const int64_t n : {1, 5, 64, 65, 200, 513, 700}) {
    for (const int64_t m : {1, 70}) {
      const auto x = integer_matrix<TypeParam>(m, n, 8), start = integer_matrix<TypeParam>(m, n, 9);
      auto s = integer_matrix<TypeParam>(n, n, 10);
      const Matrix<TypeParam> product_with = x.lazyProduct(whole(s));
      test::fill_lower(s, std::numeric_limits<TypeParam>::quiet_NaN());
      Matrix<TypeParam> out = start;
      subtract_product_with_symmetric<TypeParam>(block_of(x), block_of(s), block_of(out));
      EXPECT_EQ(out, start - product_with) << n;
      const double trace = x.template cast<double>().cwiseProduct(product_with.template cast<double>()).sum();
      EXPECT_EQ(quadratic_trace<TypeParam>(block_of(x), block_of(s)), trace) << n;
      EXPECT_EQ(inner_product<TypeParam>(block_of(x), block_of(product_with)), trace) << n;
    }
  }
}

TYPED_TEST(ProductTest, HasTheSameBitsForAnyNumberOfThreads) {
  const auto a = random_matrix<TypeParam>(300, 700, 11), s = random_matrix<TypeParam>(700, 700, 12);
  std::vector<Matrix<TypeParam>> found;
  std::vector<double> traces;
  for (const int count : {1, 2, 3}) {
    const test::Threads threads(count);
    Matrix<TypeParam> c = s, x = a, y(300, 700);
    symmetric_product<TypeParam>(1, block_of(a), block_of(a), 1, block_of(c));
    subtract_product_with_symmetric<TypeParam>(block_of(a), block_of(s), block_of(x));
    product<TypeParam>(Transpose::kNo, Transpose::kNo, 1, block_of(a), block_of(s), 0, block_of(y));
    Matrix<TypeParam> all(1300, 700);
    all << c, x, y;
    found.push_back(all);
    traces.push_back(quadratic_trace<TypeParam>(block_of(a), block_of(s)));
  }
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  EXPECT_EQ(traces[0], traces[1]);
  EXPECT_EQ(traces[0], traces[2]);
}

}  // namespace
}  // namespace prunenet
