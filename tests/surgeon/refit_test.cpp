// Refit: its result satisfies the normal equations and its errors are those of the tokens themselves; with and without
// target, bias and ridge; constant inputs; dead ones; f32; threads.
#include "surgeon/refit.h"

#include <algorithm>
#include <cmath>

#include "support/support.h"
#include "surgeon/problems.h"

namespace prunenet {
namespace {

using test::random_matrix;
using test::random_problem;

constexpr int64_t kTokens = 400, kInputs = 24, kOutputs = 7;
const std::vector<int64_t> kKept{0, 2, 3, 7, 8, 9, 12, 15, 16, 20, 21, 23};

struct Example {
  test::Problem problem;
  Matrix<double> t;          // [N, D]
  std::vector<double> bias;  // [D]
  TargetMoments target;
};

// With `own`, the target is the map's own output.
Example make_example(uint32_t seed, bool own, bool biased) {
  Example example{random_problem(kTokens, kInputs, kOutputs, seed), {}, {}, {}};
  const auto b = random_matrix<double>(kOutputs, 1, seed + 1);
  example.t = example.problem.h * example.problem.w.cast<double>().transpose();
  if (biased) {
    example.t.rowwise() += b.col(0).transpose();
    example.bias.assign(b.data(), b.data() + kOutputs);
  }
  if (!own)
    example.t +=
        0.5 * random_matrix<double>(kTokens, kOutputs, seed + 2) + Matrix<double>::Constant(kTokens, kOutputs, 0.2);
  example.target = test::target_moments_of(example.t, example.problem.h);
  return example;
}

Vector<double> as_vector(const std::vector<double>& x) {
  return Eigen::Map<const Vector<double>>(x.data(), static_cast<int64_t>(x.size()));
}

// Average over the tokens of |t - W' h_S - b|^2.
double error_on_tokens(const Example& example, const Matrix<double>& w, const std::vector<double>& bias) {
  Matrix<double> left = example.t - test::columns(example.problem.h, kKept) * w.transpose();
  if (!bias.empty()) left.rowwise() -= as_vector(bias).transpose();
  return left.squaredNorm() / static_cast<double>(kTokens);
}

Refit run(const Example& example, bool own, const RefitOptions& options) {
  return refit(example.problem.moments, own ? nullptr : &example.target, example.problem.w,
               example.bias.empty() ? nullptr : &example.bias, kKept, options);
}

// Moments are rounded to f32, and an error is a small difference of energies: 1e-6 of the energy.
TEST(Refit, ErrorsAreThoseOfTheTokens) {
  for (const bool own : {true, false}) {
    for (const bool biased : {true, false}) {
      for (const RidgeTowards towards : {RidgeTowards::kDense, RidgeTowards::kZero}) {
        const Example example = make_example(1, own, biased);
        RefitOptions options;
        options.damping = 0.02;
        options.towards = towards;
        const Refit found = run(example, own, options);
        const Matrix<double> dense = test::columns(example.problem.w.cast<double>(), kKept);
        Matrix<double> less_bias = example.t;
        if (biased) less_bias.rowwise() -= as_vector(example.bias).transpose();
        const double energy = less_bias.squaredNorm() / static_cast<double>(kTokens), tolerance = 2e-6 * energy;
        EXPECT_NEAR(found.target_energy, energy, tolerance);
        EXPECT_NEAR(found.plain_error, error_on_tokens(example, dense, example.bias), tolerance);
        EXPECT_NEAR(found.error, error_on_tokens(example, found.w.cast<double>(), found.bias), tolerance);
        if (towards == RidgeTowards::kDense) {
          EXPECT_LT(found.error, found.plain_error);
        }
        EXPECT_EQ(found.bias.size(), example.bias.size());
        EXPECT_EQ(found.damping_raised, 0);
      }
    }
  }
}

// The gradient of error plus ridge vanishes, in scaled coordinates.
TEST(Refit, SatisfiesTheNormalEquations) {
  for (const bool own : {true, false}) {
    for (const bool biased : {true, false}) {
      for (const RidgeTowards towards : {RidgeTowards::kDense, RidgeTowards::kZero}) {
        const Example example = make_example(2, own, biased);
        RefitOptions options;
        options.damping = 0.1;
        options.towards = towards;
        const Refit found = run(example, own, options);
        Matrix<double> h = test::columns(example.problem.h, kKept), t = example.t;
        if (biased) {
          h = h.rowwise() - h.colwise().mean();
          t = t.rowwise() - t.colwise().mean();
        }
        const Matrix<double> c = h.transpose() * h / static_cast<double>(kTokens),
                             b = t.transpose() * h / static_cast<double>(kTokens);
        const Vector<double> scale = c.diagonal().cwiseSqrt();
        const Matrix<double> w = found.w.cast<double>(), dense = test::columns(example.problem.w.cast<double>(), kKept);
        const Matrix<double> pull = towards == RidgeTowards::kDense ? Matrix<double>(w - dense) : w;
        // d/dW' in scaled coordinates: (W' C - B) / scale + damping pull scale = 0.
        const Matrix<double> gradient =
            (w * c - b) * scale.cwiseInverse().asDiagonal() + 0.1 * pull * scale.asDiagonal();
        EXPECT_LT(gradient.norm(), 1e-5 * (b * scale.cwiseInverse().asDiagonal()).norm());
        if (!biased) continue;
        const Vector<double> mean = example.t.colwise().mean().transpose() -
                                    w * test::columns(example.problem.h, kKept).colwise().mean().transpose();
        EXPECT_LT((as_vector(found.bias) - mean).norm(), 1e-5 * mean.norm());
      }
    }
  }
}

// The same problem, put in two ways: its own output as the target, or none.
TEST(Refit, NoTargetMeansItsOwnOutput) {
  const Example example = make_example(3, true, true);
  const Refit none = run(example, true, {}), own = run(example, false, {});
  EXPECT_LT((none.w - own.w).norm(), 1e-4f * own.w.norm());
  EXPECT_NEAR(none.error, own.error, 2e-6 * own.target_energy);
  EXPECT_NEAR(none.plain_error, own.plain_error, 2e-6 * own.target_energy);
}

TEST(Refit, ConstantRemovedInputsMoveIntoTheBias) {
  Example example = make_example(4, true, true);
  Vector<double> expected = as_vector(example.bias);
  std::vector<int64_t> removed;
  for (int64_t j = 0; j < kInputs; ++j) {
    if (std::find(kKept.begin(), kKept.end(), j) != kKept.end()) continue;
    example.problem.h.col(j).setConstant(0.25 * static_cast<double>(j - 5));
    expected += 0.25 * static_cast<double>(j - 5) * example.problem.w.col(j).cast<double>();
  }
  example.problem.moments = test::moments_of(example.problem.h);
  const Refit found = run(example, true, {});
  EXPECT_EQ(found.w, test::columns(example.problem.w.cast<double>(), kKept).cast<float>());
  EXPECT_LT((as_vector(found.bias) - expected).norm(), 1e-12);
  EXPECT_LT(found.error, 1e-12);
  EXPECT_GT(found.plain_error, 1);
}

TEST(Refit, KeepingEverythingChangesNothing) {
  const auto problem = random_problem(200, 9, 5, 5);
  const Refit found =
      refit(problem.moments, nullptr, problem.w, nullptr, std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(found.w, problem.w);
  EXPECT_EQ(found.error, 0);
  EXPECT_EQ(found.plain_error, 0);
}

TEST(Refit, MuchDampingLeavesTheDenseColumnsOrZero) {
  const Example example = make_example(6, false, false);
  RefitOptions options;
  options.damping = 1e9;
  const Matrix<float> dense = test::columns(example.problem.w.cast<double>(), kKept).cast<float>();
  EXPECT_LT((run(example, false, options).w - dense).norm(), 1e-6f * dense.norm());
  options.towards = RidgeTowards::kZero;
  EXPECT_LT(run(example, false, options).w.norm(), 1e-6f * dense.norm());
}

TEST(Refit, RescalingANeuronRescalesItsColumnOnly) {
  const auto problem = random_problem(200, 12, 5, 7);
  const std::vector<int64_t> kept{1, 2, 5, 6, 7, 10};
  test::Problem scaled = problem;
  const auto factor = [](int64_t i) { return std::ldexp(1.0f, static_cast<int>(i * 5 % 11) - 5); };
  for (int64_t i = 0; i < 12; ++i) {
    scaled.moments.second.row(i) *= factor(i);
    scaled.moments.second.col(i) *= factor(i);
    scaled.w.col(i) /= factor(i);
  }
  const Refit before = refit(problem.moments, nullptr, problem.w, nullptr, kept),
              after = refit(scaled.moments, nullptr, scaled.w, nullptr, kept);
  EXPECT_EQ(before.error, after.error);
  for (size_t j = 0; j < kept.size(); ++j) {
    const auto column = static_cast<int64_t>(j);
    EXPECT_EQ(before.w.col(column), after.w.col(column) * factor(kept[j]));
  }
}

TEST(Refit, DeadKeptColumnsStayOrBecomeZero) {
  auto problem = random_problem(100, 6, 3, 8);
  problem.h.col(2).setZero();
  problem.moments = test::moments_of(problem.h);
  const std::vector<int64_t> kept{1, 2, 4};
  RefitOptions options;
  EXPECT_EQ(refit(problem.moments, nullptr, problem.w, nullptr, kept, options).w.col(1), problem.w.col(2));
  options.towards = RidgeTowards::kZero;
  EXPECT_EQ(refit(problem.moments, nullptr, problem.w, nullptr, kept, options).w.col(1).norm(), 0);
  for (int64_t i = 0; i < 6; ++i) problem.h.col(i).setZero();
  problem.moments = test::moments_of(problem.h);
  const Refit dead = refit(problem.moments, nullptr, problem.w, nullptr, kept);
  EXPECT_EQ(dead.w.col(0), problem.w.col(1));
  EXPECT_EQ(dead.error, 0);
}

// At a condition of 6e4: the change of the weights to 3e-4, the error that is left to rounding.
TEST(Refit, InSinglePrecisionEqualsDoubleToItsStatedError) {
  auto problem = random_problem(900, 300, 20, 9);
  for (int64_t i = 0; i < 300; ++i) problem.h.col(i).array() += 2;  // one large eigenvalue
  problem.moments = test::moments_of(problem.h);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < 300; ++i) {
    if (i % 3 != 0) kept.push_back(i);
  }
  RefitOptions options;
  options.damping = 0.005;
  const Refit exact = refit(problem.moments, nullptr, problem.w, nullptr, kept, options);
  options.precision = Precision::kF32;
  const Refit found = refit(problem.moments, nullptr, problem.w, nullptr, kept, options);
  const Matrix<float> dense = test::columns(problem.w.cast<double>(), kept).cast<float>();
  EXPECT_LT((found.w - exact.w).norm(), 3e-4f * (exact.w - dense).norm());
  EXPECT_NEAR(found.error, exact.error, 1e-5 * exact.error);
  EXPECT_NEAR(found.plain_error, exact.plain_error, 1e-6 * exact.plain_error);
  EXPECT_NEAR(found.target_energy, exact.target_energy, 1e-6 * exact.target_energy);
}

TEST(Refit, HasTheSameBitsForAnyNumberOfThreads) {
  const auto problem = random_problem(300, 200, 150, 10);
  const TargetMoments target = test::target_moments_of(random_matrix<double>(300, 150, 11), problem.h);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < 200; i += 2) kept.push_back(i);
  for (const Precision precision : {Precision::kF32, Precision::kF64}) {
    for (const TargetMoments* const to : {static_cast<const TargetMoments*>(nullptr), &target}) {
      RefitOptions options;
      options.precision = precision;
      std::vector<Refit> found;
      for (const int count : {1, 2, 3}) {
        const test::Threads threads(count);
        found.push_back(refit(problem.moments, to, problem.w, nullptr, kept, options));
      }
      for (const size_t other : {1, 2}) {
        EXPECT_EQ(found[0].w, found[other].w);
        EXPECT_EQ(found[0].error, found[other].error);
        EXPECT_EQ(found[0].target_energy, found[other].target_energy);
      }
    }
  }
}

TEST(Refit, RaisesTheDampingOfSingularMoments) {
  auto problem = random_problem(50, 8, 3, 12);
  problem.h.col(3) = problem.h.col(1);
  problem.h.col(4) = problem.h.col(1);
  problem.moments = test::moments_of(problem.h);
  problem.moments.second(1, 3) *= 1.0001f;
  RefitOptions options;
  options.damping = 0;
  const Refit found = refit(problem.moments, nullptr, problem.w, nullptr, std::vector<int64_t>{1, 3, 4, 6}, options);
  EXPECT_GT(found.damping_raised, 0);
  EXPECT_GT(found.damping, 0);
  EXPECT_TRUE(found.w.allFinite());
}

TEST(Refit, RefusesWhatDoesNotFitOrIsNotFinite) {
  auto problem = random_problem(50, 8, 3, 13);
  const std::vector<int64_t> kept{1, 2};
  RefitOptions options;
  options.where = "layer 2, down";
  TargetMoments target = test::target_moments_of(random_matrix<double>(50, 4, 14), problem.h);
  const std::vector<double> bias(4);
  test::expect_error(ErrorCode::kMismatch, {"layer 2, down", "4 x 8", "3 x 8"},
                     [&] { refit(problem.moments, &target, problem.w, nullptr, kept, options); });
  test::expect_error(ErrorCode::kMismatch, {"layer 2, down", "bias"},
                     [&] { refit(problem.moments, nullptr, problem.w, &bias, kept, options); });
  test::expect_error(ErrorCode::kMismatch, {"layer 2, down", "9", "8"},
                     [&] { refit(problem.moments, nullptr, Matrix<float>::Zero(3, 9), nullptr, kept, options); });
  target = test::target_moments_of(random_matrix<double>(50, 3, 14), problem.h);
  target.cross(1, 2) = NAN;
  test::expect_error(ErrorCode::kNonFinite, {"layer 2, down"},
                     [&] { refit(problem.moments, &target, problem.w, nullptr, kept, options); });
  problem.w(0, 1) = INFINITY;
  test::expect_error(ErrorCode::kNonFinite, {"layer 2, down"},
                     [&] { refit(problem.moments, nullptr, problem.w, nullptr, kept, options); });
}

}  // namespace
}  // namespace prunenet
