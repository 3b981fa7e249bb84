// What Gaussian moments, choosing and refitting are counted as beside their products, held to counting by hand.
#include <gtest/gtest.h>

#include "cost/machine_speed.h"
#include "cost/model_shape.h"
#include "cost/policy_cost.h"
#include "cost/self_cost.h"
#include "cost/surgeon_speed.h"

namespace prunenet::test {
namespace {

constexpr size_t kLayers = 3;

// Gaussian inputs, neurons chosen and refitted in one go: no engine.
SelfTask gaussian_task(int64_t kept) {
  SelfTask task;
  task.source = SelfTask::Source::kGaussian;
  task.gaussian_tokens = 500;
  task.loss_tokens = 0;
  task.kept.assign(kLayers, kept);
  task.follows = task.runs = false;
  task.check_sequences = 0;
  return task;
}

TEST(SurgeonCost, GaussianInputsAreDrawnAndActivated) {
  const RunCost cost = cost_of_self(shape_of_width(16, 48, kLayers, true), gaussian_task(32));
  const Work measuring = cost.phases.front().work;
  ASSERT_EQ(cost.phases.front().name, "measuring");
  EXPECT_EQ(measuring[WorkKind::kFunction], 3.0 * 500 * (16 * 2 + 48));
  EXPECT_EQ(measuring[WorkKind::kProductF32], 3.0 * (500 * 2 * (2 * 16 * 48) + 500 * 48 * 48)) << "gate and up; halves";
}

TEST(SurgeonCost, ChoosingGoesOverAllInputsAndRefittingOverThoseThatStay) {
  const Work small = cost_of_self(shape_of_width(16, 48, kLayers, true), gaussian_task(32)).work();
  EXPECT_EQ(small[WorkKind::kSquaresF64], 3.0 * (48 * 48 + 32 * 32));
  EXPECT_EQ(small[WorkKind::kSquaresF32], 0);
  const Work wide = cost_of_self(shape_of_width(16, 5000, kLayers, true), gaussian_task(4000)).work();
  EXPECT_EQ(wide[WorkKind::kSquaresF32], 3.0 * (5000.0 * 5000 + 4000.0 * 4000)) << "f64 is for maps of up to 4096";
  EXPECT_EQ(wide[WorkKind::kSquaresF64], 0);
}

TEST(SurgeonCost, EnergyOfNeuronsTakesTheirMoments) {
  const ModelShape shape = shape_of_width(16, 48, kLayers, false);
  const Phase norms = cost_of_scoring(shape, 1), energy = cost_of_energy_scoring(shape);
  EXPECT_EQ(norms.work.flops(), 0);
  EXPECT_EQ(energy.work.flops(), 3.0 * 4096 * (2 * 16 * 48 + 48 * 48));
  EXPECT_EQ(energy.work[WorkKind::kRead], norms.work[WorkKind::kRead]);
  EXPECT_GT(energy.peak_bytes, 4 * (48 * 48 + 16 * 48 + 1024 * (16 + 2 * 48)) - 1);
  EXPECT_LT(norms.peak_bytes, 16 * 48 * 4 * 4) << "a row at a time, not a matrix";
}

TEST(SurgeonSpeed, IsMeasuredBesideTheProducts) {
  Work work;
  work[WorkKind::kProductF32] = work[WorkKind::kSquaresF32] = work[WorkKind::kFunction] = 1;
  Speeds speeds;
  measure_machine(work, {}, speeds);
  measure_surgeon(work, 300, speeds);
  EXPECT_GT(speeds[WorkKind::kFunction], 1e6);
  EXPECT_EQ(speeds[WorkKind::kSquaresF64], 0);
  // No machine does a square in the time of less than one product of it, or in a millisecond.
  EXPECT_GT(speeds[WorkKind::kSquaresF32], 1e3);
  EXPECT_LT(speeds[WorkKind::kSquaresF32], speeds[WorkKind::kProductF32]);
}

}  // namespace
}  // namespace prunenet::test
