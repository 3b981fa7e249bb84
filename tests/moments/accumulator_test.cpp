// MomentAccumulator: averages by the definition in f64 within the stated error; independent of chunks and threads.
#include "moments/accumulator.h"

#include <cmath>
#include <limits>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

std::span<const float> rows_of(const Matrix<float>& a, int64_t first, int64_t count) {
  return {a.data() + first * a.cols(), static_cast<size_t>(count * a.cols())};
}

CollectedMoments collect(const Matrix<float>& h, const Matrix<float>& t, const std::vector<int64_t>& cuts) {
  MomentAccumulator accumulator(h.cols(), t.cols(), "layer 3, input of down");
  int64_t first = 0;
  for (const int64_t cut : cuts) {
    accumulator.add(rows_of(h, first, cut - first), rows_of(t, first, cut - first));
    first = cut;
  }
  accumulator.add(rows_of(h, first, h.rows() - first), rows_of(t, first, h.rows() - first));
  EXPECT_EQ(accumulator.tokens(), h.rows());
  return accumulator.finish();
}

bool same_bits(const CollectedMoments& a, const CollectedMoments& b) {
  Matrix<float> x = a.moments.second, y = b.moments.second;
  test::fill_lower(x, 0.0f);
  test::fill_lower(y, 0.0f);
  return x == y && test::same_bits(a.moments.mean, b.moments.mean) && a.moments.tokens == b.moments.tokens &&
         a.target->cross == b.target->cross && test::same_bits(a.target->mean, b.target->mean) &&
         a.target->energy == b.target->energy;
}

// Inputs of one sign are the worst case: every sum grows.
TEST(MomentAccumulator, AveragesWithinTheStatedErrorOfExactOnes) {
  const int64_t n = 5000, f = 70, d = 9;
  Matrix<float> h = random_matrix<float>(n, f, 1), t = random_matrix<float>(n, d, 2);
  h.leftCols(30).array() += 1.5f;
  const CollectedMoments found = collect(h, t, {100});
  const Matrix<double> x = h.cast<double>(), y = t.cast<double>();
  const double count = static_cast<double>(n);
  const double bound = (MomentAccumulator::kPanelTokens + count / MomentAccumulator::kPanelTokens + 3) * 0x1p-24;
  const Matrix<double> second = x.transpose() * x / count, sizes = x.cwiseAbs().transpose() * x.cwiseAbs() / count;
  const Matrix<double> cross = y.transpose() * x / count, cross_sizes = y.cwiseAbs().transpose() * x.cwiseAbs() / count;
  double worst = 0;
  for (int64_t i = 0; i < f; ++i) {
    for (int64_t j = i; j < f; ++j) {
      const double error = std::abs(static_cast<double>(found.moments.second(i, j)) - second(i, j)) / sizes(i, j);
      ASSERT_LE(error, bound);
      worst = std::max(worst, error);
    }
    for (int64_t k = 0; k < d; ++k) {
      const double error = std::abs(static_cast<double>(found.target->cross(k, i)) - cross(k, i)) / cross_sizes(k, i);
      ASSERT_LE(error, bound);
      worst = std::max(worst, error);
    }
    EXPECT_NEAR(found.moments.mean[static_cast<size_t>(i)], x.col(i).mean(), 1e-13);
  }
  EXPECT_LT(worst, 2e-6);  // what is found, as stated
  for (int64_t k = 0; k < d; ++k) EXPECT_NEAR(found.target->mean[static_cast<size_t>(k)], y.col(k).mean(), 1e-13);
  EXPECT_NEAR(found.target->energy, y.squaredNorm() / count, 1e-10);
  EXPECT_EQ(found.moments.tokens, n);
}

TEST(MomentAccumulator, HasTheSameBitsHoweverTheTokensAreCut) {
  const Matrix<float> h = random_matrix<float>(2500, 90, 3), t = random_matrix<float>(2500, 33, 4);
  const CollectedMoments whole = collect(h, t, {});
  EXPECT_TRUE(same_bits(whole, collect(h, t, {1, 1, 2, 1023, 1024, 1025, 2048, 2499})));
  EXPECT_TRUE(same_bits(whole, collect(h, t, {700, 1400, 2100})));
}

TEST(MomentAccumulator, HasTheSameBitsForAnyNumberOfThreads) {
  const Matrix<float> h = random_matrix<float>(1500, 300, 5), t = random_matrix<float>(1500, 130, 6);
  std::vector<CollectedMoments> found;
  for (const int count : {1, 2, 3}) {
    const test::Threads threads(count);
    found.push_back(collect(h, t, {400}));
  }
  EXPECT_TRUE(same_bits(found[0], found[1]));
  EXPECT_TRUE(same_bits(found[0], found[2]));
}

TEST(MomentAccumulator, OfNoTokenIsZero) {
  MomentAccumulator accumulator(4);
  accumulator.add({});
  const CollectedMoments found = accumulator.finish();
  EXPECT_EQ(found.moments.tokens, 0);
  EXPECT_EQ(found.moments.second, Matrix<float>::Zero(4, 4));
  EXPECT_EQ(found.moments.mean, std::vector<double>(4));
  EXPECT_FALSE(found.target);
}

TEST(MomentAccumulator, RefusesWhatIsNotFiniteNamingLayerTokenAndInput) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
    Matrix<float> h = random_matrix<float>(50, 6, 7);
    MomentAccumulator accumulator(6, 0, "layer 3, input of down");
    accumulator.add(rows_of(h, 0, 20));
    h(31, 4) = value;
    test::expect_error(ErrorCode::kNonFinite, {"layer 3, input of down", "input 4", "token 31"},
                       [&] { accumulator.add(rows_of(h, 20, 30)); });
    EXPECT_EQ(accumulator.tokens(), 20);  // nothing was added
    EXPECT_TRUE(std::isfinite(accumulator.finish().moments.mean[4]));
  }
  Matrix<float> h = random_matrix<float>(5, 6, 8), t = random_matrix<float>(5, 2, 9);
  t(3, 1) = NAN;
  MomentAccumulator accumulator(6, 2, "layer 3");
  test::expect_error(ErrorCode::kNonFinite, {"layer 3", "target 1", "token 3"},
                     [&] { accumulator.add(rows_of(h, 0, 5), rows_of(t, 0, 5)); });
}

TEST(MomentAccumulator, InfinitiesOfBothSignsDoNotHideEachOther) {
  MomentAccumulator accumulator(1, 0, "here");
  const std::vector<float> h{INFINITY, -INFINITY};
  test::expect_error(ErrorCode::kNonFinite, {"here", "token 0"}, [&] { accumulator.add(h); });
}

TEST(MomentAccumulator, SquaresBeyondTheRangeAreRefusedAtTheEnd) {
  MomentAccumulator accumulator(3, 0, "layer 1");
  accumulator.add(std::vector<float>{1, 1e25f, 2});
  test::expect_error(ErrorCode::kNonFinite, {"layer 1", "input 1", "f32"}, [&] { accumulator.finish(); });
}

}  // namespace
}  // namespace prunenet
