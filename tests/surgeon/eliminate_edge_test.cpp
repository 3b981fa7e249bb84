// Elimination of what real layers hold: dead neurons, constant ones, twins, too few tokens; and what must be refused.
#include <algorithm>
#include <cmath>

#include "support/support.h"
#include "surgeon/eliminate.h"
#include "surgeon/problems.h"

namespace prunenet {
namespace {

using test::expect_error;
using test::random_problem;

void kill(test::Problem& problem, int64_t input) {
  problem.h.col(input).setZero();
  problem.moments = test::moments_of(problem.h);
}

TEST(EliminateEdge, DeadNeuronsGoFirstAtNoCost) {
  for (const Precision precision : {Precision::kF32, Precision::kF64}) {
    auto problem = random_problem(80, 20, 6, 1);
    EliminationOptions options;
    options.precision = precision;
    options.remove_groups = 20;
    const test::Problem without = [&] {
      test::Problem rest = problem;
      std::vector<int64_t> kept;
      for (int64_t i = 0; i < 20; ++i) {
        if (i != 4 && i != 11) kept.push_back(i);
      }
      rest.h = test::columns(problem.h, kept);
      rest.w = test::columns(problem.w.cast<double>(), kept).cast<float>();
      rest.moments = test::moments_of(rest.h);
      return rest;
    }();
    kill(problem, 4);
    kill(problem, 11);
    const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
    EXPECT_EQ(found.dead_groups, 2);
    ASSERT_EQ(found.removed.size(), 20u);
    EXPECT_EQ(found.removed[0], 11);
    EXPECT_EQ(found.removed[1], 4);
    EXPECT_EQ(found.error[1], 0);
    options.remove_groups = 18;
    options.damping = found.damping;
    const Elimination alone = eliminate(without.moments, without.w, nullptr, options);
    for (size_t i = 0; i < 18; ++i) EXPECT_EQ(found.error[i + 2], alone.error[i]);
    EXPECT_EQ(found.energy, alone.energy);
  }
}

TEST(EliminateEdge, AllNeuronsDead) {
  auto problem = random_problem(30, 6, 3, 2);
  for (int64_t i = 0; i < 6; ++i) kill(problem, i);
  EliminationOptions options;
  options.remove_groups = 4;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_EQ(found.removed, (std::vector<int64_t>{5, 4, 3, 2}));
  EXPECT_EQ(found.error.back(), 0);
  EXPECT_EQ(found.energy, 0);
}

TEST(EliminateEdge, DeadColumnsWithinALiveGroupCountNothing) {
  auto problem = random_problem(60, 12, 4, 3);
  for (const int64_t i : {1, 6, 7, 8}) kill(problem, i);  // of the group 6, 7, 8 all
  EliminationOptions options;
  options.group_size = 3;
  options.remove_groups = 4;
  options.damping = 1e-6;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_EQ(found.dead_groups, 1);
  EXPECT_EQ(found.removed.front(), 2);
  EXPECT_NEAR(found.error.back(), found.energy, 1e-4 * found.energy);  // nothing is left: the whole energy is lost
}

// A large constant leaves rounding of its square in the covariances: nothing of it may reach the others of its group.
TEST(EliminateEdge, CentredConstantColumnsWithinALiveGroupCountNothing) {
  auto problem = random_problem(500, 12, 4, 14);
  EliminationOptions options;
  options.group_size = 3;
  options.remove_groups = 4;
  options.centred = true;
  problem.h.col(4).setZero();
  problem.moments = test::moments_of(problem.h);
  const Elimination zero = eliminate(problem.moments, problem.w, nullptr, options);
  problem.h.col(4).setConstant(3001);
  problem.moments = test::moments_of(problem.h);
  const Elimination constant = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_EQ(zero.removed, constant.removed);
  EXPECT_EQ(zero.error, constant.error);
  EXPECT_EQ(zero.energy, constant.energy);
}

TEST(EliminateEdge, CentredConstantNeuronsNeuronsAreDead) {
  auto problem = random_problem(500, 10, 4, 4);
  problem.h.col(3).setConstant(0.7);
  problem.moments = test::moments_of(problem.h);
  EliminationOptions options;
  options.remove_groups = 1;
  EXPECT_EQ(eliminate(problem.moments, problem.w, nullptr, options).dead_groups, 0);
  options.centred = true;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_EQ(found.dead_groups, 1);
  EXPECT_EQ(found.removed, (std::vector<int64_t>{3}));
}

TEST(EliminateEdge, OfTwoTwinsOneGoesAlmostForNothing) {
  auto problem = random_problem(200, 16, 6, 5);
  problem.h.col(9) = 3 * problem.h.col(2);
  problem.moments = test::moments_of(problem.h);
  EliminationOptions options;
  options.damping = 1e-4;
  options.remove_groups = 1;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_TRUE(found.removed[0] == 2 || found.removed[0] == 9);
  EXPECT_LT(found.error[0], 1e-3 * found.energy);
}

TEST(EliminateEdge, NeuronsWithoutWeightGoNextAndOfEqualOnesTheLast) {
  auto problem = random_problem(200, 8, 3, 6);
  problem.w.col(1).setZero();
  problem.w.col(5).setZero();
  problem.moments.second = Matrix<float>::Identity(8, 8);  // no refitting can use them
  EliminationOptions options;
  options.remove_groups = 2;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_EQ(found.removed, (std::vector<int64_t>{5, 1}));
  EXPECT_EQ(found.error[1], 0);
}

// 20 tokens for 60 inputs: the moments have rank 20.
TEST(EliminateEdge, FewerTokensThanInputsStillWork) {
  for (const Precision precision : {Precision::kF32, Precision::kF64}) {
    const auto problem = random_problem(20, 60, 8, 7);
    EliminationOptions options;
    options.precision = precision;
    options.remove_groups = 60;
    const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
    EXPECT_EQ(found.damping, automatic_damping(60, 20, precision));
      EXPECT_TRUE(std::is_sorted(found.error.begin(), found.error.end()));
    for (const double error : found.error) EXPECT_TRUE(std::isfinite(error));
    EXPECT_NEAR(tokens_per_input(60, 20), 1.0 / 3, 1e-12);
  }
}

TEST(EliminateEdge, DampingGrowsUntilTheMomentsArePositiveDefiniteAndIsReported) {
  auto problem = random_problem(40, 12, 4, 8);
  for (int64_t j = 1; j < 12; ++j) problem.h.col(j) = static_cast<double>(j) * problem.h.col(0);  // rank 1
  problem.moments = test::moments_of(problem.h);
  problem.moments.second(0, 1) *= 1.001f;  // and a little worse than that
  EliminationOptions options;
  options.remove_groups = 11;
  options.damping = 0;
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, options);
  EXPECT_GT(found.damping_raised, 0);
  EXPECT_GT(found.damping, 0);
  for (const double error : found.error) EXPECT_TRUE(std::isfinite(error));
}

TEST(EliminateEdge, RemovingNothingStillStatesTheEnergy) {
  const auto problem = random_problem(40, 5, 4, 9);
  const Elimination found = eliminate(problem.moments, problem.w, nullptr, {});
  EXPECT_TRUE(found.removed.empty());
  EXPECT_GT(found.energy, 0);
}

TEST(EliminateEdge, DampingIsAFloorOfRoundingsAndGrowsAsTokensAreFew) {
  EXPECT_NEAR(automatic_damping(1000, 2000, Precision::kF64), kDampingPerInputAndToken / 2, 1e-9);
  EXPECT_GT(automatic_damping(11008, 1 << 30, Precision::kF32), 0.005);
  EXPECT_EQ(automatic_damping(100, 0, Precision::kF64), automatic_damping(100, 100, Precision::kF64));
  EXPECT_GT(automatic_damping(100, 10, Precision::kF64), 9 * automatic_damping(100, 100, Precision::kF64));
  EXPECT_EQ(resolve(Precision::kAuto, kF64UpToWidth), Precision::kF64);
  EXPECT_EQ(resolve(Precision::kAuto, kF64UpToWidth + 1), Precision::kF32);
}

TEST(EliminateEdge, RefusesWhatIsNotFinite) {
  EliminationOptions options;
  options.where = "layer 3, down";
  options.remove_groups = 2;
  const auto run = [&](const auto& spoil) {
    auto problem = random_problem(40, 6, 3, 10);
    Matrix<float> g = Matrix<float>::Identity(3, 3);
    spoil(problem, g);
    expect_error(ErrorCode::kNonFinite, {"layer 3, down"}, [&] { eliminate(problem.moments, problem.w, &g, options); });
  };
  run([](test::Problem& p, Matrix<float>&) { p.moments.second(2, 2) = NAN; });
  run([](test::Problem& p, Matrix<float>&) { p.moments.second(1, 4) = INFINITY; });
  run([](test::Problem& p, Matrix<float>&) { p.w(1, 1) = NAN; });
  run([](test::Problem&, Matrix<float>& g) { g(0, 1) = NAN; });
}

TEST(EliminateEdge, RefusesShapesThatDoNotFit) {
  const auto problem = random_problem(40, 6, 3, 11);
  const Matrix<float> wide = Matrix<float>::Zero(3, 7), g = Matrix<float>::Identity(4, 4);
  EliminationOptions options;
  options.where = "layer 3, down";
  expect_error(ErrorCode::kMismatch, {"layer 3, down", "7", "6"},
               [&] { eliminate(problem.moments, wide, nullptr, options); });
  expect_error(ErrorCode::kMismatch, {"layer 3, down", "4 x 4", "3"},
               [&] { eliminate(problem.moments, problem.w, &g, options); });
}

}  // namespace
}  // namespace prunenet
