// The counts of the published policy, of hashing and of writing, held to counting by hand.
#include "cost/policy_cost.h"

#include <gtest/gtest.h>

#include "cost/disk.h"
#include "cost/machine_room.h"
#include "cost/machine_speed.h"
#include "cost/model_shape.h"

namespace prunenet::test {
namespace {

Work work_of(const RunCost& cost, const std::string& name) {
  for (const Phase& phase : cost.phases) {
    if (phase.name == name) return phase.work;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(PolicyCost, CachedSpectraLeaveTheGramMatrixAndTheHash) {
  const ModelShape shape = shape_of_width(512, 1024, 3, true);
  PolicyTask task;
  task.kept.assign(3, 700);
  task.episodes = 2;
  const Work anew = work_of(cost_of_policy(shape, task), "spectra of whole layers");
  task.is_cached = true;
  const Work cached = work_of(cost_of_policy(shape, task), "spectra of whole layers");
  EXPECT_GT(anew[WorkKind::kSymvF32], 0);
  EXPECT_EQ(cached[WorkKind::kSymvF32], 0);
  EXPECT_EQ(cached[WorkKind::kRotations], 0);
  EXPECT_DOUBLE_EQ(cached[WorkKind::kProductF32], 3.0 * 1024 * 512 * 512) << "half of a product: it is symmetric";
  EXPECT_DOUBLE_EQ(anew[WorkKind::kHash], 3.0 * 1024 * 512 * 4);
  EXPECT_DOUBLE_EQ(cached[WorkKind::kHash], anew[WorkKind::kHash]) << "found by it";
  task.caches = task.is_cached = false;
  EXPECT_EQ(work_of(cost_of_policy(shape, task), "spectra of whole layers")[WorkKind::kHash], 0);
}

// The state is the policy and two moments, in two sets that take turns; the best policy of two episodes is the first's,
// and the second's as often as not.
TEST(PolicyCost, EveryEpisodeButTheLastKeepsItsState) {
  const ModelShape shape = shape_of_width(512, 1024, 3, true);
  const double params = 1024 * 512, policy = 4 * params, grams = 3 * 4 * 512 * 512;
  PolicyTask task;
  task.kept.assign(3, 700);
  task.episodes = 2;
  const RunCost two = cost_of_policy(shape, task);
  EXPECT_DOUBLE_EQ(work_of(two, "keeping its state")[WorkKind::kBuffer], 2 * (3 * policy + 1.5 * policy));
  // Files: the matrix and a block for its header, two vectors of a block and one likewise; a block for the shape.
  const double block = 4096, matrices = policy + block + 2 * 2 * block, files = matrices + block, record = block;
  EXPECT_DOUBLE_EQ(two.disk_bytes, files + record + grams);
  EXPECT_DOUBLE_EQ(two.passing_disk_bytes, 2 * (3 * matrices) + files + two.disk_bytes);
  task.episodes = 1;
  const RunCost one = cost_of_policy(shape, task);
  EXPECT_DOUBLE_EQ(work_of(one, "keeping its state")[WorkKind::kBuffer], 2 * policy);
  EXPECT_DOUBLE_EQ(one.passing_disk_bytes, files + one.disk_bytes) << "there is nothing to go on with after the last";
}

TEST(PolicyCost, EachEigenvalueTakesAColumn) {
  const ModelShape shape = shape_of_width(512, 1024, 3, true);
  PolicyTask task;
  task.kept.assign(3, 700);
  task.episodes = 0;
  const Work after = work_of(cost_of_policy(shape, task), "spectra of the choice");
  EXPECT_EQ(after[WorkKind::kColumns], 3 * (512 + 512)) << "of whole layers, and of the choice";
}

// Hidden size 1024 has 64 probes of 18 steps. A step multiplies each by the Gram matrix of the whole layer (2 x 1024^2
// operations), and for a draw by the 548 rows that go, there and back.
TEST(PolicyCost, AnEstimateTakesProductsOfItsProbes) {
  const ModelShape shape = shape_of_width(1024, 2048, 3, true);
  PolicyTask task;
  task.kept.assign(3, 1500);
  task.episodes = 2;
  task.estimates = true;
  const double steps = 64 * 18, gram = 2.0 * 1024 * 1024, rows = 2 * 2.0 * 548 * 1024;
  const RunCost cost = cost_of_policy(shape, task);
  const Work draws = work_of(cost, "spectra of draws");
  EXPECT_DOUBLE_EQ(draws[WorkKind::kProductF32], 2 * 3 * steps * (gram + rows));
  EXPECT_EQ(draws[WorkKind::kSymvF32], 0) << "no eigenvalues";
  task.estimates = false;
  const Work exact = work_of(cost_of_policy(shape, task), "spectra of whole layers");
  EXPECT_DOUBLE_EQ(work_of(cost, "spectra of whole layers")[WorkKind::kProductF32] - exact[WorkKind::kProductF32],
                   3 * steps * gram);
  task.estimates = true;
  task.kept.assign(3, 548);  // fewer than columns: exact
  EXPECT_GT(work_of(cost_of_policy(shape, task), "spectra of draws")[WorkKind::kSymvF32], 0);
  task.kept.assign(3, 1100);  // 948 go
  EXPECT_DOUBLE_EQ(work_of(cost_of_policy(shape, task), "spectra of draws")[WorkKind::kProductF32],
                   2 * 3 * steps * (gram + 2 * 2.0 * 948 * 1024));
}

// Its own spectra come from no cache; the host takes those of whole layers for the choice, and looks for them there.
TEST(PolicyCost, ADeviceSharesNoSpectraWithTheHost) {
  const ModelShape shape = shape_of_width(512, 1024, 3, true);
  PolicyTask task;
  task.kept.assign(3, 700);
  task.episodes = 2;
  const RunCost host = cost_of_policy(shape, task);
  const double gram = 3.0 * 1024 * 512 * 512, tridiagonal = 3 * 2.0 / 3 * 512 * 512 * 512;
  const double kept_gram = 3.0 * (1024 - 700) * 512 * 512;
  const double hash = 3.0 * 1024 * 512 * 4;
  EXPECT_EQ(work_of(host, "spectra of the choice")[WorkKind::kHash], 0) << "known from the training";
  EXPECT_EQ(work_of(host, "spectra of the choice")[WorkKind::kColumns], 3 * 512);
  task.on_device = true;
  for (const bool is_cached : {false, true}) {
    task.is_cached = is_cached;
    const RunCost cost = cost_of_policy(shape, task);
    const Work whole = work_of(cost, "spectra of whole layers"), after = work_of(cost, "spectra of the choice");
    EXPECT_EQ(whole[WorkKind::kHash], 0);
    EXPECT_EQ(whole[WorkKind::kColumns], 3 * 512);
    EXPECT_DOUBLE_EQ(whole[WorkKind::kProductF32], gram + tridiagonal);
    EXPECT_DOUBLE_EQ(after[WorkKind::kHash], hash);
    EXPECT_EQ(after[WorkKind::kColumns], is_cached ? 3 * 512 : 2 * 3 * 512);
    EXPECT_DOUBLE_EQ(after[WorkKind::kProductF32], gram + kept_gram + (is_cached ? tridiagonal : 2 * tridiagonal));
  }
}

TEST(PolicyCost, NarrowMatricesAreNotHashed) {
  PolicyTask task;
  task.kept.assign(1, 32);
  EXPECT_EQ(work_of(cost_of_policy(shape_of_width(64, 128, 1, true), task), "spectra of whole layers")[WorkKind::kHash],
            0);
}

TEST(WritingCost, MemoryTakesUpWhatItMayAndTheDiskTheRest) {
  const ModelShape shape = shape_of_width(64, 128, 1, true);
  const Phase small = cost_of_writing(shape, 1000, 700, 5000);
  EXPECT_EQ(small.work[WorkKind::kBuffer], 1700) << "a folder, and a GGUF file of it";
  EXPECT_EQ(small.work[WorkKind::kWrite], 0);
  EXPECT_EQ(small.work[WorkKind::kRead], shape.stored_bytes + 1000);
  const Phase large = cost_of_writing(shape, 9000, 0, 5000);
  EXPECT_EQ(large.work[WorkKind::kBuffer], 5000);
  EXPECT_EQ(large.work[WorkKind::kWrite], 4000);
}

TEST(Disk, FilesTakeWholeBlocks) {
  EXPECT_EQ(file_disk_bytes(0), 0);
  EXPECT_EQ(file_disk_bytes(1), 4096);
  EXPECT_EQ(file_disk_bytes(4096), 4096);
  EXPECT_EQ(part_disk_bytes(0), 4096);
  EXPECT_EQ(part_disk_bytes(4096), 8192);
}

TEST(MachineRoom, SomeWritesWaitInMemory) {
  const double bytes = unwritten_bytes_at_most();
  EXPECT_GT(bytes, 0);
  EXPECT_LE(bytes, machine_room("/").memory_bytes);
}

TEST(MachineSpeed, HashingIsMeasured) {
  Work work;
  work[WorkKind::kHash] = 1;
  Speeds speeds;
  measure_machine(work, {}, speeds);
  EXPECT_GT(speeds[WorkKind::kHash], 1e7);
  EXPECT_EQ(speeds[WorkKind::kWrite], 0);
}

}  // namespace
}  // namespace prunenet::test
