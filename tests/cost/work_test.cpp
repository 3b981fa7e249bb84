// Sums of work, and the counts behind a plan, held to counting by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "cost/machine_speed.h"
#include "cost/phase_times.h"
#include "cost/policy_cost.h"
#include "cost/self_cost.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

TEST(Work, AddsUpAndTakesTheTimeOfEachKindInTurn) {
  Work work;
  work[WorkKind::kProductF32] = 6;
  work[WorkKind::kRead] = 10;
  Work other;
  other[WorkKind::kForward] = 4;
  other[WorkKind::kFixed] = 0.5;
  work += 2.0 * other;
  Speeds speeds;
  speeds[WorkKind::kProductF32] = 3;
  speeds[WorkKind::kForward] = 8;
  speeds[WorkKind::kRead] = 5;
  EXPECT_DOUBLE_EQ(seconds_of(work, speeds), 2 + 1 + 2 + 1);
  EXPECT_DOUBLE_EQ(work.flops(), 14);
}

TEST(Work, PeakIsThatOfThePhaseThatTakesMost) {
  RunCost cost;
  cost.phases = {{"one", {}, 5}, {"two", {}, 9}, {"three", {}, 7}};
  EXPECT_EQ(cost.peak_bytes(), 9);
}

// A product of [a, b] and [b, c] takes 2 a b c; the sums are written out as the code makes them.
TEST(Counts, NeuronRefitIsTheSumOfItsProducts) {
  const double n = 50, d = 7, k = 11;
  const auto of = [](double a, double b, double c) { return 2 * a * b * c; };
  // Linearising: gate and up; moments: z^T z and h^T h; worth of outputs.
  double products = of(n, d, k) + of(n, d, k) + of(d, n, d) + of(k, n, k) + of(d, d, k);
  products += of(n, k, d) + of(n, d, d);  // errors, weighed
  const double gradient = of(n, d, d) + of(n, d, k) + 2 * of(k, n, d) + of(d, n, k);
  const double preconditioner = 2 * of(k, d, d) + of(d, k, k) + of(d, d, k);
  products += gradient + preconditioner;
  const double moved = 2 * of(n, d, k) + of(n, k, d) + of(n, k, d);
  products += 3 * (moved + gradient + preconditioner);  // iterations
  const double error = 2 * of(n, d, k) + of(n, k, d);
  products += error + of(n, d, d);          // the first length of the step
  products += 3 * error + 2 * of(n, d, d);  // before, after, and unweighed
  const NeuronRefitFlops counted =
      neuron_refit_flops({.kept = k, .outputs = d, .tokens = n, .gated = true, .linearisations = 1, .iterations = 3});
  EXPECT_DOUBLE_EQ(counted.products, products);
  EXPECT_DOUBLE_EQ(counted.f64, d * d * d + d * d * d + k * k * k);
  EXPECT_EQ(counted.f32, 0);
}

TEST(Counts, OfIterationsThoseThatWereDone) {
  NeuronRefitCount count{.kept = 11, .outputs = 7, .tokens = 50, .gated = true, .linearisations = 2, .iterations = 20};
  const double asked = neuron_refit_flops(count).products;
  count.iterations = 7;
  EXPECT_LT(neuron_refit_flops(count).products, 0.6 * asked);
  count.kept = 5000;
  EXPECT_DOUBLE_EQ(neuron_refit_flops(count).f32, 2 * 5000.0 * 5000 * 5000) << "f64 is for smaller ones";
}

TEST(Counts, TheRefitTakesWholeChunksOfWhatItsMemoryHolds) {
  EXPECT_EQ(neuron_refit_tokens(7704, 4096, 16384, 256, 2), 16384) << "1.2 GB";
  const double held = neuron_refit_tokens(7704, 4096, 16384, 256, 4);
  EXPECT_EQ(std::fmod(held, 2048), 0);
  EXPECT_LE(held * (8 * 4096 + 12 * 7704), 2.0 * (1 << 30));
  EXPECT_GT((held + 2048) * (8 * 4096 + 12 * 7704), 2.0 * (1 << 30));
  EXPECT_EQ(neuron_refit_tokens(1e9, 4096, 16384, 300, 4), 1800) << "one chunk always";
}

TEST(Counts, MomentsAndRefitAreThoseOfTheirHeaders) {
  EXPECT_DOUBLE_EQ(moment_flops(5, 3, 100, false), 5 * 5 * 100);
  EXPECT_DOUBLE_EQ(moment_flops(5, 3, 100, true), 5 * 5 * 100 + 2 * 3 * 5 * 100);
  EXPECT_DOUBLE_EQ(elimination_flops(6, 4, 2, false), 6 * 6 * 6 + 4 * 6 * 6 + 3 * 6 * 6 * 2);
  EXPECT_DOUBLE_EQ(elimination_flops(6, 4, 2, true) - elimination_flops(6, 4, 2, false), 2 * 4 * 4 * 6);
  EXPECT_DOUBLE_EQ(refit_flops(6, 4, 3, true), 9 + 2 * 4 * 9 + 2 * 4 * 9);
}

ModelShape small_shape() {
  ModelShape shape;
  shape.hidden = 16;
  shape.vocab = 100;
  LayerShape layer;
  layer.width = 48;
  layer.attention_width = 16;
  layer.kv_width = 8;
  layer.gated = true;
  shape.layers.assign(3, layer);
  shape.params = 10'000;
  shape.stored_bytes = 20'000;
  return shape;
}

SelfTask small_task() {
  SelfTask task;
  task.sequences = 10;
  task.length = task.capacity = 20;
  task.kept.assign(3, 32);
  return task;
}

TEST(SelfCost, TwiceTheTextIsTwiceTheWorkOnItAndNeverLessMemory) {
  const ModelShape shape = small_shape();
  SelfTask task = small_task();
  task.check_sequences = 0;
  const RunCost few = cost_of_self(shape, task);
  task.sequences *= 2;
  const RunCost many = cost_of_self(shape, task);
  for (const WorkKind kind : {WorkKind::kForward, WorkKind::kBackward, WorkKind::kDecode, WorkKind::kDivergence}) {
    EXPECT_GT(few.work()[kind], 0) << work_kind_name(kind);
    EXPECT_DOUBLE_EQ(many.work()[kind], 2 * few.work()[kind]) << work_kind_name(kind);
  }
  EXPECT_GE(many.peak_bytes(), few.peak_bytes());
}

TEST(SelfCost, WhatIsSwitchedOffIsNotCounted) {
  const ModelShape shape = small_shape();
  SelfTask task = small_task();
  task.loss_tokens = 0;
  task.check_sequences = 0;
  const RunCost cost = cost_of_self(shape, task);
  for (const Phase& phase : cost.phases) {
    EXPECT_NE(phase.name, "what the loss feels");
    EXPECT_NE(phase.name, "checking the result");
    EXPECT_NE(phase.name, "refitting neurons");
  }
  EXPECT_EQ(cost.work()[WorkKind::kBackward], 0);
  task.loss_tokens = 100;
  EXPECT_GT(cost_of_self(shape, task).work()[WorkKind::kBackward], 0);
}

TEST(SelfCost, StreamingHoldsFewLayersAndFetchesThemAgain) {
  const ModelShape shape = small_shape();
  SelfTask task = small_task();
  task.converted_bytes = 1e9;
  const RunCost whole = cost_of_self(shape, task);
  task.stream = true;
  const RunCost streamed = cost_of_self(shape, task);
  EXPECT_LT(streamed.peak_bytes(), whole.peak_bytes() - 9e8);
  EXPECT_GT(streamed.work()[WorkKind::kLoad], 5 * whole.work()[WorkKind::kLoad]);
}

// LLaMA-2-7B, or one with other layers of its kind, in bf16 on 16384 tokens.
double large_peak(size_t layers, double* disk_bytes = nullptr) {
  ModelShape shape;
  shape.hidden = 4096;
  shape.vocab = 32000;
  LayerShape layer;
  layer.width = 11008;
  layer.attention_width = layer.kv_width = 4096;
  layer.gated = true;
  shape.layers.assign(layers, layer);
  shape.params = shape.layer_params() + 2 * shape.head_params();
  shape.stored_bytes = 2 * shape.params;
  SelfTask task;
  task.kept.assign(layers, 7680);
  task.number_bytes = 2;
  task.batch = 24;
  const RunCost cost = cost_of_self(shape, task);
  if (disk_bytes != nullptr) *disk_bytes = cost.disk_bytes;
  double peak = 0;
  for (const Phase& phase : cost.phases) {
    if (phase.name != "own text" && phase.name != "checking the result") peak = std::max(peak, phase.peak_bytes);
  }
  return peak;
}

TEST(SelfCost, LayersThatAreManyTakeNoMoreMemoryThanAFew) {
  double disk_of_few = 0, disk_of_many = 0;
  EXPECT_EQ(large_peak(8, &disk_of_few), large_peak(32, &disk_of_many));
  EXPECT_LT(large_peak(32), 5.0 * (1 << 30));
  // Files of the journal: what fills its blocks takes one more for its header.
  const double block = 4096, stream = 16384 * 4096 * 4.0, sensitivity = 4096 * 4096 * 4.0 + block;
  const double down = 2 * 7680 * 4096.0 + block, output = 2 * 4096 * 4096.0 + block;
  const double ffn = 16 * block, attention = 9 * block;  // 7700 numbers, and 4116
  const double texts = (3 + 2) * 13 * block;             // batches of 24 texts of 257 numbers
  const auto disk = [&](double layers) {                 // the first layer's attention is as it was
    return layers * (stream + 2 * sensitivity + down + ffn) + (layers - 1) * (output + attention) + texts + 3 * block;
  };
  EXPECT_EQ(disk_of_many, disk(32));
  EXPECT_EQ(disk_of_few, disk(8)) << "2 GiB of streams: on the disk as well";
}

TEST(SelfCost, TheCheckIsAsLongAsItsOwnTexts) {
  const ModelShape shape = small_shape();
  SelfTask task = small_task();
  const auto check = [&] { return cost_of_self(shape, task).phases.back(); };
  const double alone = check().work.flops();
  EXPECT_EQ(check().name, "checking the result");
  task.length = task.capacity = 10;
  EXPECT_EQ(check().work.flops(), alone) << "whatever the text is that moments are of";
  task.check_length /= 2;
  EXPECT_LT(check().work.flops(), 0.51 * alone);
  EXPECT_EQ(check().work[WorkKind::kStep], 255 * 4 * (shape.layer_params() + shape.head_params()))
      << "a batch goes on until its longest text ends";
}

TEST(RunCost, WhatADeviceDoesIsNotKnownHere) {
  RunCost cost;
  cost.phases = {{"host", {}, 5}, {"device", {}, 9}};
  cost.phases[0].work[WorkKind::kRead] = 10;
  Speeds speeds;
  EXPECT_FALSE(measured_seconds_of(cost.phases[0], speeds)) << "no rate";
  EXPECT_FALSE(cost.measured_seconds(speeds));
  speeds[WorkKind::kRead] = 5;
  EXPECT_EQ(cost.measured_seconds(speeds), 2);
  EXPECT_EQ(cost.peak_bytes(), 9);
  EXPECT_FALSE(cost.uses_device());
  cost.phases[1].on_device = true;
  EXPECT_FALSE(cost.measured_seconds(speeds));
  EXPECT_EQ(cost.peak_bytes(), 5);
  EXPECT_TRUE(cost.uses_device());
}

TEST(PolicyCost, EpisodesMultiplyTheSpectraOfDraws) {
  const ModelShape shape = small_shape();
  PolicyTask task;
  task.kept.assign(3, 32);
  task.episodes = 2;
  const auto spectra = [&] {
    for (const Phase& phase : cost_of_policy(shape, task).phases) {
      if (phase.name == "spectra of draws") return phase.work.flops();
    }
    return 0.0;
  };
  const double two = spectra();
  task.episodes = 6;
  EXPECT_GT(two, 0);
  EXPECT_DOUBLE_EQ(spectra(), 3 * two);
}

TEST(MachineSpeed, MeasuresWhatIsAskedForAndNothingElse) {
  Work work;
  work[WorkKind::kProductF32] = work[WorkKind::kSymvF64] = work[WorkKind::kMemory] = 1;
  Speeds speeds;
  MachineProbe probe;
  probe.symmetric_order = 200;
  measure_machine(work, probe, speeds);
  EXPECT_GT(speeds[WorkKind::kProductF32], 1e8);
  EXPECT_GT(speeds[WorkKind::kSymvF64], 1e7);
  EXPECT_GT(speeds[WorkKind::kMemory], 1e8);
  EXPECT_EQ(speeds[WorkKind::kProductF64], 0);
  EXPECT_EQ(speeds[WorkKind::kRead], 0);
}

TEST(MachineSpeed, WritingLeavesNothingBehind) {
  const TemporaryFolder folder;
  Work work;
  work[WorkKind::kWrite] = 1;
  Speeds speeds;
  MachineProbe probe;
  probe.output_folder = folder / "not there" / "out";
  measure_machine(work, probe, speeds);
  EXPECT_GT(speeds[WorkKind::kWrite], 1e5);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(PhaseTimes, InnerPhasesKeepTheirTimeForThemselves) {
  PhaseTimes times;
  const Stopwatch watch;
  const auto wait = [](double seconds) {
    const Stopwatch until;
    while (until.elapsed_s() < seconds) {
    }
  };
  {
    TimedPhase outer(&times, "outer");
    outer.count(WorkKind::kProductF32, 5);
    wait(0.02);
    for (int i = 0; i < 2; ++i) {
      TimedPhase inner(&times, "inner");
      inner.count(WorkKind::kProductF64, 2);
      wait(0.03);
    }
  }
  const double all_s = watch.elapsed_s();
  ASSERT_EQ(times.phases().size(), 2u);
  const PhaseTime &inner = times.phases()[0], &outer = times.phases()[1];
  EXPECT_GE(inner.elapsed_s, 0.06);
  EXPECT_GE(outer.elapsed_s, 0.02);
  EXPECT_LE(inner.elapsed_s + outer.elapsed_s, all_s);
  EXPECT_EQ(inner.work.flops(), 4);
  EXPECT_EQ(outer.work.flops(), 5);
  Speeds speeds;
  speeds[WorkKind::kProductF32] = 10;
  speeds[WorkKind::kProductF64] = 4;
  EXPECT_DOUBLE_EQ(bound_s(inner.work, speeds), 1);
  EXPECT_DOUBLE_EQ(bound_s(outer.work, speeds), 0.5);
}

TEST(PhaseTimes, NobodyHasToAsk) {
  TimedPhase phase(nullptr, "unseen");
  phase.count(WorkKind::kProductF32, 1);
}

}  // namespace
}  // namespace prunenet::test
