// The symv kernel: what it says of every tile of rows, against the definition, and that it writes nothing else.
#include "linalg/symv.h"

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

template <typename Real>
class SymvTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(SymvTest, Reals);

TYPED_TEST(SymvTest, GivesTheDotsOfRowsAndTheSumsOfColumns) {
  constexpr TypeParam kUntouched = 12345;
  for (int64_t n : {1, 2, 3, 4, 5, 8, 11, 37, 70}) {
    const int64_t lda = n + 3;
    const auto a = test::integer_matrix<TypeParam>(n, lda, 1);  // whole numbers: exact in any order
    const Vector<TypeParam> x = test::integer_matrix<TypeParam>(n, 1, 2).col(0);
    for (int64_t first = 0; first < n; ++first) {
      for (int64_t last : {first, first + 1, first + 4, first + 6, n}) {
        if (last > n) continue;
        Vector<TypeParam> dots = Vector<TypeParam>::Constant(n, kUntouched), expected_dots = dots;
        Vector<TypeParam> z = Vector<TypeParam>::Constant(n - first + 1, kUntouched);
        Vector<TypeParam> expected_z = Vector<TypeParam>::Zero(n - first + 1);
        expected_z[n - first] = kUntouched;
        for (int64_t i = first; i < last; ++i) {
          expected_dots[i] = 0;
          for (int64_t j = i; j < n; ++j) expected_dots[i] += a(i, j) * x[j];
          for (int64_t j = i + 1; j < n; ++j) expected_z[j - first] += a(i, j) * x[i];
        }
        kernel::symv_rows(a.data(), lda, n, first, last, x.data(), dots.data(), z.data());
        ASSERT_EQ(dots, expected_dots) << n << ": " << first << " to " << last;
        ASSERT_EQ(z, expected_z) << n << ": " << first << " to " << last;
      }
    }
  }
}

// Its two results together are the whole symmetric product: (A x)_j = dots_j + z_j.
TYPED_TEST(SymvTest, GivesTheSymmetricProductWhenTheTilesAreAdded) {
  constexpr int64_t kOrder = 200, kTile = 64;
  const auto a = test::integer_matrix<TypeParam>(kOrder, kOrder, 3);
  Matrix<TypeParam> symmetric = a;
  for (int64_t i = 0; i < kOrder; ++i) {
    for (int64_t j = 0; j < i; ++j) symmetric(i, j) = a(j, i);
  }
  const Vector<TypeParam> x = test::integer_matrix<TypeParam>(kOrder, 1, 4).col(0);
  Vector<TypeParam> sum = Vector<TypeParam>::Zero(kOrder), dots(kOrder);
  for (int64_t first = 0; first < kOrder; first += kTile) {
    Vector<TypeParam> z(kOrder - first);
    kernel::symv_rows(a.data(), kOrder, kOrder, first, std::min(first + kTile, kOrder), x.data(), dots.data(),
                      z.data());
    sum.tail(kOrder - first) += z;
  }
  EXPECT_EQ(Vector<TypeParam>(sum + dots), Vector<TypeParam>(symmetric * x));
}

}  // namespace
}  // namespace prunenet
