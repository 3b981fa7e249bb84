// Choosing, refitting and measuring on a device against the rooms' own code: the same choices where losses are apart,
// the same numbers within what the precision allows, the same words for what is wrong.
#include <cmath>
#include <limits>

#include "moments/accumulator.h"
#include "runtime/moment_tensors.h"
#include "runtime/site.h"
#include "runtime/torch_accelerator.h"
#include "runtime/torch_engine.h"
#include "support/support.h"
#include "surgeon/problems.h"
#include "test_device.h"

namespace prunenet {
namespace {

using test::expect_error;
using test::random_problem;

TorchAccelerator& accelerator() {
  static TorchAccelerator one(test::test_accelerator_options());
  return one;
}

// ---- eliminate ----

EliminationOptions elimination_of(int64_t remove, int64_t group_size, Precision precision = Precision::kF64) {
  EliminationOptions options;
  options.remove_groups = remove;
  options.group_size = group_size;
  options.precision = precision;
  options.where = "layer 3, FFN";
  return options;
}

void expect_equal(const Elimination& found, const Elimination& expected, double tolerance) {
  EXPECT_EQ(found.removed, expected.removed);
  ASSERT_EQ(found.error.size(), expected.error.size());
  for (size_t i = 0; i < found.error.size(); ++i) {
    ASSERT_NEAR(found.error[i], expected.error[i], tolerance * expected.energy) << "removal " << i;
  }
  EXPECT_NEAR(found.energy, expected.energy, tolerance * expected.energy);
  EXPECT_EQ(found.damping, expected.damping);
  EXPECT_EQ(found.damping_raised, expected.damping_raised);
  EXPECT_EQ(found.dead_groups, expected.dead_groups);
}

struct EliminationCase {
  int64_t inputs, group_size, remove;
  bool weighed, centred;
};

class DeviceEliminate : public testing::TestWithParam<EliminationCase> {};

// Many panels, gaps that are closed, groups of heads; in f64 nothing but the order of sums differs.
TEST_P(DeviceEliminate, ChoosesAsTheHostDoesInF64) {
  const EliminationCase& one = GetParam();
  const auto problem = random_problem(3 * one.inputs, one.inputs, 24, 7);
  const Matrix<float> g = test::positive_matrix(24, 5).cast<float>();
  EliminationOptions options = elimination_of(one.remove, one.group_size);
  options.centred = one.centred;
  const Matrix<float>* const weights = one.weighed ? &g : nullptr;
  expect_equal(accelerator().eliminate(problem.moments, problem.w, weights, options),
               eliminate(problem.moments, problem.w, weights, options), 1e-11);
}

// Near ties may fall otherwise: what counts is what the chosen set costs.
TEST_P(DeviceEliminate, InF32CostsWhatTheHostsChoiceCosts) {
  const EliminationCase& one = GetParam();
  const auto problem = random_problem(3 * one.inputs, one.inputs, 24, 8);
  EliminationOptions options = elimination_of(one.remove, one.group_size, Precision::kF32);
  options.centred = one.centred;
  const Elimination found = accelerator().eliminate(problem.moments, problem.w, nullptr, options);
  const Elimination expected = eliminate(problem.moments, problem.w, nullptr, options);
  ASSERT_EQ(found.removed.size(), expected.removed.size());
  EXPECT_EQ(found.damping, expected.damping);
  EXPECT_NEAR(found.energy, expected.energy, 1e-5 * expected.energy);
  EXPECT_NEAR(found.error.back(), expected.error.back(), 1e-3 * expected.error.back());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, DeviceEliminate,
    testing::Values(EliminationCase{60, 1, 20, false, false}, EliminationCase{300, 1, 290, true, false},
                    EliminationCase{300, 1, 300, false, true}, EliminationCase{96, 4, 20, true, true},
                    EliminationCase{384, 96, 3, true, false}, EliminationCase{400, 200, 1, false, false}));

TEST(DeviceEliminateEdge, DeadNeuronsAndDeadColumnsWithinAGroupCountNothing) {
  auto problem = random_problem(200, 24, 8, 3);
  for (const int64_t dead : {2, 6, 7, 20}) problem.h.col(dead).setZero();
  problem.moments = test::moments_of(problem.h);
  for (const int64_t group_size : {1, 2}) {
    const auto options = elimination_of(24 / group_size - 1, group_size);
    const Elimination found = accelerator().eliminate(problem.moments, problem.w, nullptr, options);
    EXPECT_EQ(found.dead_groups, group_size == 1 ? 4 : 1);
    expect_equal(found, eliminate(problem.moments, problem.w, nullptr, options), 1e-11);
  }
}

TEST(DeviceEliminateEdge, OfEqualLossesTheLastGoes) {
  constexpr int64_t kInputs = 12;
  Moments moments{100, Matrix<float>::Identity(kInputs, kInputs), std::vector<double>(kInputs, 0.0)};
  const Matrix<float> w = Matrix<float>::Ones(3, kInputs);
  const auto found = accelerator().eliminate(moments, w, nullptr, elimination_of(kInputs, 1));
  for (int64_t i = 0; i < kInputs; ++i) EXPECT_EQ(found.removed[static_cast<size_t>(i)], kInputs - 1 - i);
}

TEST(DeviceEliminateEdge, AllDeadNoneRemovedAndRaisedDampingAreAsOnTheHost) {
  auto problem = random_problem(100, 20, 6, 11);
  for (const int64_t remove : {0, 20}) {
    const auto options = elimination_of(remove, 1);
    expect_equal(accelerator().eliminate(problem.moments, problem.w, nullptr, options),
                 eliminate(problem.moments, problem.w, nullptr, options), 1e-11);
  }
  Moments indefinite = problem.moments;  // off-diagonals larger than any second moments have
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t j = i + 1; j < 20; ++j) indefinite.second(i, j) *= 3;
  }
  EliminationOptions options = elimination_of(8, 1);
  options.damping = 1e-3;
  const Elimination found = accelerator().eliminate(indefinite, problem.w, nullptr, options);
  EXPECT_GT(found.damping_raised, 0);
  expect_equal(found, eliminate(indefinite, problem.w, nullptr, options), 1e-9);
  problem.moments.second.setZero();
  expect_equal(accelerator().eliminate(problem.moments, problem.w, nullptr, elimination_of(5, 1)),
               eliminate(problem.moments, problem.w, nullptr, elimination_of(5, 1)), 0);
}

TEST(DeviceEliminateEdge, WhatLiesBelowTheDiagonalIsNotRead) {
  const auto problem = random_problem(100, 20, 6, 12);
  Moments upper = problem.moments;
  test::fill_lower(upper.second, std::numeric_limits<float>::quiet_NaN());
  const auto options = elimination_of(9, 1);
  expect_equal(accelerator().eliminate(upper, problem.w, nullptr, options),
               accelerator().eliminate(problem.moments, problem.w, nullptr, options), 0);
}

TEST(DeviceEliminateEdge, RefusesWhatIsNotFiniteOrDoesNotFit) {
  const auto good = random_problem(100, 20, 6, 13);
  const auto options = elimination_of(5, 1);
  auto bad = good;
  bad.w(2, 3) = std::numeric_limits<float>::infinity();
  expect_error(ErrorCode::kNonFinite, {"layer 3, FFN", "weights"},
               [&] { accelerator().eliminate(bad.moments, bad.w, nullptr, options); });
  bad = good;
  bad.moments.second(2, 3) = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::kNonFinite, {"layer 3, FFN", "second moments"},
               [&] { accelerator().eliminate(bad.moments, bad.w, nullptr, options); });
  Matrix<float> g = Matrix<float>::Identity(6, 6);
  g(1, 4) = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::kNonFinite, {"layer 3, FFN", "sensitivity"},
               [&] { accelerator().eliminate(good.moments, good.w, &g, options); });
  expect_error(ErrorCode::kMismatch, {"layer 3, FFN", "19", "20"},
               [&] { accelerator().eliminate(good.moments, Matrix<float>(good.w.leftCols(19)), nullptr, options); });
  g.resize(5, 5);
  expect_error(ErrorCode::kMismatch, {"layer 3, FFN", "5 x 5", "6"},
               [&] { accelerator().eliminate(good.moments, good.w, &g, options); });
}

// ---- refit ----

// Tolerances are of the matrix's largest entry and of the target's energy.
void expect_equal(const Refit& found, const Refit& expected, double tolerance) {
  ASSERT_EQ(found.w.rows(), expected.w.rows());
  ASSERT_EQ(found.w.cols(), expected.w.cols());
  EXPECT_LE((found.w - expected.w).cwiseAbs().maxCoeff(), tolerance * expected.w.cwiseAbs().maxCoeff() + 1e-7);
  ASSERT_EQ(found.bias.size(), expected.bias.size());
  for (size_t i = 0; i < found.bias.size(); ++i) EXPECT_NEAR(found.bias[i], expected.bias[i], 10 * tolerance + 1e-6);
  const double energy = std::max(expected.target_energy, expected.plain_error);
  EXPECT_NEAR(found.target_energy, expected.target_energy, tolerance * energy);
  EXPECT_NEAR(found.plain_error, expected.plain_error, tolerance * energy);
  EXPECT_NEAR(found.error, expected.error, tolerance * energy);
  EXPECT_EQ(found.damping, expected.damping);
  EXPECT_EQ(found.damping_raised, expected.damping_raised);
}

TEST(DeviceRefit, EqualsTheHostsWithAndWithoutTargetsBiasesAndDeadColumns) {
  auto problem = random_problem(300, 40, 12, 21);
  problem.h.col(5).setZero();
  problem.h.col(33).setConstant(0.7);  // constant: dead once a bias takes up the means
  problem.moments = test::moments_of(problem.h);
  const Matrix<double> t = problem.h * problem.w.cast<double>().transpose() +
                           0.2 * test::random_matrix<double>(300, 12, 4) + Matrix<double>::Constant(300, 12, 0.4);
  const TargetMoments target = test::target_moments_of(t, problem.h);
  std::vector<double> bias;
  for (int64_t i = 0; i < 12; ++i) bias.push_back(0.1 * static_cast<double>(i) - 0.4);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < 40; i += i % 3 == 0 ? 1 : 2) kept.push_back(i);
  for (const bool with_target : {false, true}) {
    for (const bool with_bias : {false, true}) {
      for (const RidgeTowards towards : {RidgeTowards::kDense, RidgeTowards::kZero}) {
        for (const Precision precision : {Precision::kF64, Precision::kF32}) {
          SCOPED_TRACE(fmt::format("target {}, bias {}, towards {}, precision {}", with_target, with_bias,
                                   static_cast<int>(towards), static_cast<int>(precision)));
          RefitOptions options;
          options.towards = towards;
          options.precision = precision;
          const TargetMoments* const wanted = with_target ? &target : nullptr;
          const std::vector<double>* const b = with_bias ? &bias : nullptr;
          expect_equal(accelerator().refit(problem.moments, wanted, problem.w, b, kept, options),
                       refit(problem.moments, wanted, problem.w, b, kept, options),
                       precision == Precision::kF64 ? 2e-7 : 2e-4);  // the weights are f32 in the end
        }
      }
    }
  }
}

TEST(DeviceRefit, KeepingAllOrOneAndOnlyDeadColumnsWork) {
  auto problem = random_problem(300, 16, 5, 22);
  problem.h.col(3).setZero();
  problem.moments = test::moments_of(problem.h);
  std::vector<int64_t> all(16);
  for (int64_t i = 0; i < 16; ++i) all[static_cast<size_t>(i)] = i;
  for (const std::vector<int64_t>& kept : {all, std::vector<int64_t>{9}, std::vector<int64_t>{3}}) {
    expect_equal(accelerator().refit(problem.moments, nullptr, problem.w, nullptr, kept, {}),
                 refit(problem.moments, nullptr, problem.w, nullptr, kept, {}), 1e-6);
  }
}

TEST(DeviceRefit, RaisesTheDampingAndRefusesAsTheHostDoes) {
  auto problem = random_problem(300, 16, 5, 23);
  const std::vector<int64_t> kept{0, 1, 2, 5, 8, 13};
  Moments indefinite = problem.moments;
  for (int64_t i = 0; i < 16; ++i) {
    for (int64_t j = i + 1; j < 16; ++j) indefinite.second(i, j) *= 3;
  }
  RefitOptions options;
  options.damping = 1e-3;
  options.where = "layer 1, FFN";
  const Refit found = accelerator().refit(indefinite, nullptr, problem.w, nullptr, kept, options);
  EXPECT_GT(found.damping_raised, 0);
  expect_equal(found, refit(indefinite, nullptr, problem.w, nullptr, kept, options), 1e-6);
  Matrix<float> bad = problem.w;
  bad(0, 5) = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::kNonFinite, {"layer 1, FFN", "weights"},
               [&] { accelerator().refit(problem.moments, nullptr, bad, nullptr, kept, options); });
  TargetMoments target{Matrix<float>::Zero(5, 15), std::vector<double>(5), 1};
  expect_error(ErrorCode::kMismatch, {"layer 1, FFN", "5 x 15", "5 x 16"},
               [&] { accelerator().refit(problem.moments, &target, problem.w, nullptr, kept, options); });
  target.cross = Matrix<float>::Constant(5, 16, std::numeric_limits<float>::infinity());
  expect_error(ErrorCode::kNonFinite, {"layer 1, FFN", "target"},
               [&] { accelerator().refit(problem.moments, &target, problem.w, nullptr, kept, options); });
}

// ---- moments ----

TEST(DeviceMoments, EqualTheAccumulatorsWhateverTheChunks) {
  constexpr int64_t kTokens = 2500, kInputs = 33, kOutputs = 9;
  Matrix<float> h = test::random_matrix<float>(kTokens, kInputs, 31);
  h.array() += 0.4F;
  const Matrix<float> t = test::random_matrix<float>(kTokens, kOutputs, 32);
  MomentAccumulator host(kInputs, kOutputs);
  MomentTensors tensors(kInputs, kOutputs, torch_device(test::test_device()), true, "here");
  for (int64_t first = 0, rows = 1; first < kTokens;
       first += rows, rows = std::min<int64_t>(3 * rows, kTokens - first)) {
    const Matrix<float> some = h.middleRows(first, rows), wanted = t.middleRows(first, rows);
    host.add({some.data(), static_cast<size_t>(some.size())}, {wanted.data(), static_cast<size_t>(wanted.size())});
    tensors.add(to_tensor(some), to_tensor(wanted));
  }
  const CollectedMoments expected = host.finish(), found = tensors.finish();
  EXPECT_EQ(found.moments.tokens, kTokens);
  for (int64_t i = 0; i < kInputs; ++i) {
    for (int64_t j = i; j < kInputs; ++j) {
      ASSERT_NEAR(found.moments.second(i, j), expected.moments.second(i, j), 2e-6) << i << ", " << j;
    }
    EXPECT_NEAR(found.moments.mean[static_cast<size_t>(i)], expected.moments.mean[static_cast<size_t>(i)], 1e-13);
  }
  ASSERT_TRUE(found.target);
  EXPECT_LE((found.target->cross - expected.target->cross).cwiseAbs().maxCoeff(), 2e-6);
  for (size_t i = 0; i < kOutputs; ++i) EXPECT_NEAR(found.target->mean[i], expected.target->mean[i], 1e-13);
  EXPECT_NEAR(found.target->energy, expected.target->energy, 1e-12 * expected.target->energy);
}

TEST(DeviceMoments, NameTheTokenThatIsNotFinite) {
  const auto place = torch_device(test::test_device());
  MomentTensors tensors(4, 2, place, true, "layer 5, FFN");
  const at::Tensor t = at::ones({3, 2});
  at::Tensor h = at::ones({3, 4});
  tensors.add(h, t);
  h[1][2] = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::kNonFinite, {"layer 5, FFN", "input 2 of token 4", "NaN"}, [&] { tensors.add(h, t); });
  h[1][2] = 1e30F;  // finite, its square is not
  tensors.add(h, t);
  expect_error(ErrorCode::kNonFinite, {"layer 5, FFN", "square of input 2"}, [&] { tensors.finish(); });
  MomentTensors others(4, 2, place, true, "layer 5, FFN");
  at::Tensor bad = t.clone();
  bad[0][1] = -std::numeric_limits<float>::infinity();
  expect_error(ErrorCode::kNonFinite, {"layer 5, FFN", "target 1 of token 0", "infinite"}, [&] {
    others.add(at::ones({3, 4}), bad);
  });
}

}  // namespace
}  // namespace prunenet
