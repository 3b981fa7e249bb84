// Counting the published policy. The formulas follow policy and spectrum: where those change, these do.
#include "cost/policy_cost.h"

#include <algorithm>

#include "cost/disk.h"
#include "cost/self_cost.h"
#include "spectrum/estimate.h"
#include "spectrum/spectrum_cache.h"

namespace prunenet {
namespace {

// Eigenvalues of a symmetric matrix of order n: half of the tridiagonalisation is a matrix times a vector for each
// column, the other half products; then rotations.
void count_eigenvalues(Work& work, double n, bool f64) {
  work[f64 ? WorkKind::kSymvF64 : WorkKind::kSymvF32] += n * n * n / 6 * (f64 ? 8 : 4);
  work[f64 ? WorkKind::kProductF64 : WorkKind::kProductF32] += 2.0 / 3 * n * n * n;
  work[WorkKind::kColumns] += n;
  work[WorkKind::kRotations] += n * n;
}

// The Gram matrix of the rows that stay: downdated by those that go, or made anew, whichever are fewer; of rows, where
// they are fewer than columns.
double gram_flops(double f, double d, double k) {
  if (f <= d) return 0;
  return k <= d ? k * k * d : std::min(k, f - k) * d * d;
}

// Sixteen probes at a time: in each step the Gram matrix's triangle and the removed (or kept) rows are read once.
void count_estimate(Work& work, double d, double rows, bool f64) {
  const double probes = static_cast<double>(num_probes(static_cast<int64_t>(d))), steps = kEstimateSteps;
  work[f64 ? WorkKind::kProductF64 : WorkKind::kProductF32] += probes * steps * 2 * (d * d + 2 * rows * d);
  work[WorkKind::kMemory] += probes / 16 * steps * (f64 ? 8 : 4) * (d * d / 2 + rows * d);
}

bool can_estimate(const PolicyTask& task, double f, double d, double k) {
  return task.estimates && d >= static_cast<double>(kEstimateFromOrder) && k > d && f > d;
}

constexpr double kEpisodeBytes = 64;  // of an episode's results

// A policy of so many units begins with as many random numbers. After every episode but the last it is kept with
// its two moments, before what was kept of the one before goes; and whenever it is the best so far, which of n episodes
// 1 + 1/2 + ... + 1/n are, if all are equally likely to be.
Work keeping(double units, double d, double number, double episodes, RunCost& cost) {
  double best = 0;
  for (double episode = 1; episode <= episodes; ++episode) best += 1 / episode;
  const double params = units * d;
  const double state = 3 * number * params, policy = 4 * params;
  // Files of the journal: a matrix and two vectors, with their shape; of the state each with its moments.
  const auto parts = [&](double bytes) { return part_disk_bytes(bytes * params) + 2 * part_disk_bytes(bytes * units); };
  const double policy_parts = parts(4) + part_disk_bytes(16), state_parts = 3 * parts(number);
  const double record = part_disk_bytes(kEpisodeBytes * episodes);
  const double bytes = (episodes - 1) * state + best * policy;
  Work work;
  work[WorkKind::kFunction] = 2 * params;
  work[WorkKind::kMemory] = 3 * bytes + 2 * state;  // checked, copied, let go; made
  work[WorkKind::kBuffer] = 2 * bytes;              // by one thread, where the rate is that of some
  cost.passing_disk_bytes = (episodes > 1 ? 2 * state_parts : 0) + policy_parts;  // beside the one that stays
  cost.disk_bytes = policy_parts + record;
  return work;
}

}  // namespace

RunCost cost_of_policy(const ModelShape& shape, const PolicyTask& task) {
  RunCost cost;
  const double d = static_cast<double>(shape.hidden), number = task.f64 ? 8 : 4;
  const WorkKind product = task.f64 ? WorkKind::kProductF64 : WorkKind::kProductF32;
  Work whole, at_device, probes, spectra, drawing, updating, after;  // whole: by the host, which has the cache
  double units = 0, order = 0;
  for (size_t l = 0; l < shape.layers.size(); ++l) {
    const double f = static_cast<double>(shape.layers[l].width), k = static_cast<double>(task.kept[l]);
    units = std::max(units, f);
    order = std::max(order, std::min(f, d));
    whole[product] += f * d * std::min(f, d);
    at_device[product] += f * d * std::min(f, d);
    count_eigenvalues(at_device, std::min(f, d), task.f64);
    if (task.caches && shape.hidden >= SpectrumCache::kFromColumns) whole[WorkKind::kHash] += f * d * number;
    if (!task.is_cached) count_eigenvalues(whole, std::min(f, d), task.f64);
    Work exact;
    exact[product] += gram_flops(f, d, k);
    exact[WorkKind::kMemory] += 3 * number * std::min(f, d) * std::min(f, d);
    count_eigenvalues(exact, std::min(k, d), task.f64);
    after += exact;  // the artefact states exact ones
    if (can_estimate(task, f, d, k) && task.episodes > 0) {
      Work estimate;
      count_estimate(probes, d, 0, task.f64);
      count_estimate(estimate, d, std::min(k, f - k), task.f64);
      spectra += task.episodes * estimate;
    } else {
      spectra += task.episodes * exact;
    }
    // Widened, and read once for each of the two products; the policy's matrix likewise.
    drawing[WorkKind::kMemory] += task.episodes * f * d * (2 + 4 * number);
    updating[WorkKind::kMemory] += task.episodes * f * d * (2 + 5 * number);
  }
  const double layers = static_cast<double>(shape.layers.size());
  updating[WorkKind::kMemory] += task.episodes * (layers * units * d * number * 7 + 2 * units * d * number);
  const double view = std::min(shape.view_bytes, units * d * 4);
  const double grams = 3 * number * order * order;
  // The trained policy, or the one there is, chooses: every layer is read once more, and the policy hashed.
  Work scoring;
  scoring[WorkKind::kMemory] = layers * units * d * (2 + 4 * number);
  if (task.spectra_after) scoring[WorkKind::kHash] = units * d * 4;
  if (task.episodes > 0) {
    const double held = number * (4.3 * units * d) + grams + view;
    Work prepared = task.on_device ? at_device : whole;
    prepared += probes;
    cost.phases.push_back({"spectra of whole layers", prepared, held});
    cost.phases.push_back({"drawing", drawing, held});
    cost.phases.push_back({"spectra of draws", spectra, held});
    cost.phases.push_back({"updating the policy", updating, held});
    cost.phases.push_back({"keeping its state", keeping(units, d, number, task.episodes, cost), held});
    if (task.spectra_after) cost.phases.push_back({"scoring", scoring, 8 * units * d + view});
    if (task.on_device) after += whole;  // the device's are not those of the artefact
  } else {
    cost.phases.push_back({"scoring", scoring, 8 * units * d + view});
    if (task.spectra_after) after += whole;
  }
  if (task.spectra_after) cost.phases.push_back({"spectra of the choice", after, number * units * d + grams + view});
  cost.disk_bytes += layers * number * order * order;
  cost.passing_disk_bytes += cost.disk_bytes;
  return cost;
}

Phase cost_of_scoring(const ModelShape& shape, double matrices) {
  Phase phase;
  phase.name = "scoring";
  const double d = static_cast<double>(shape.hidden);
  const double number = shape.stored_bytes / std::max(1.0, shape.params);
  for (const LayerShape& layer : shape.layers) {
    phase.work[WorkKind::kRead] += matrices * number * static_cast<double>(layer.width) * d;
    phase.work[WorkKind::kMemory] += matrices * static_cast<double>(layer.width) * d * (4 * 3);
  }
  phase.peak_bytes = matrices > 0 ? 4 * 8 * (d + static_cast<double>(shape.widest())) : 0;
  return phase;
}

Phase cost_of_energy_scoring(const ModelShape& shape) {
  constexpr double kTokens = 4096, kTogether = 1024;  // energy_scorer.h; MomentAccumulator::kPanelTokens
  Phase phase = cost_of_scoring(shape, 1);
  const double d = static_cast<double>(shape.hidden);
  for (const LayerShape& layer : shape.layers) {
    phase.work += gaussian_moments_work(layer, d, kTokens);
    const double f = static_cast<double>(layer.width);
    phase.peak_bytes =
        std::max(phase.peak_bytes, 4 * (f * f + layer.up_params(shape.hidden) + kTogether * (d + 2 * f)));
  }
  return phase;
}

Phase cost_of_writing(const ModelShape& shape, double bytes, double gguf_bytes, double unwritten) {
  Phase phase;
  phase.name = "writing";
  const double written = bytes + gguf_bytes;
  phase.work[WorkKind::kRead] = shape.stored_bytes + (gguf_bytes > 0 ? bytes : 0);
  phase.work[WorkKind::kBuffer] = std::min(written, unwritten);
  phase.work[WorkKind::kWrite] = written - phase.work[WorkKind::kBuffer];
  phase.peak_bytes = std::min(12e6, 0.1 * bytes);
  return phase;
}

Phase cost_of_starting() {
  Phase phase;
  phase.name = "starting";
  phase.work[WorkKind::kFixed] = 0.02;
  phase.peak_bytes = 0;
  return phase;
}

}  // namespace prunenet
