// One exact spectrum step of the published policy on a layer of a real shape: take the removed rows out of the Gram matrix,
// all eigenvalues, KS. Reads the first layer of a checkpoint, so that another program can time the same numbers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "base/random.h"
#include "base/system.h"
#include "linalg/blas_info.h"
#include "linalg/parallel.h"
#include "policy/prunenet_scorer.h"
#include "selection/scorer.h"
#include "spectrum/ks.h"

namespace prunenet {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<int64_t> random_rows(int64_t rows, int64_t keep, uint32_t step) {
  RandomStream stream(1, RandomStage::kBench, 0, step);
  std::vector<double> draws(static_cast<size_t>(rows));
  for (double& draw : draws) draw = stream.next_open();
  return top_indices(draws, keep);
}

template <typename Real>
void run(const std::string& folder, double ratio, int repeats) {
  const Checkpoint checkpoint(folder);
  const ModelDescription model = describe_model(checkpoint);
  CheckpointLayers<Real> layers(checkpoint, model);
  Stopwatch load_watch;
  const Matrix<Real> w = layers.load(0);
  const double load_s = load_watch.elapsed_s();
  const auto keep = static_cast<int64_t>((1 - ratio) * static_cast<double>(w.rows()));
  fmt::print("layer {} x {}, {} rows kept, f{}, {} threads, {}\n", w.rows(), w.cols(), keep, 8 * sizeof(Real), num_threads(), blas_info().name);
  Stopwatch gram_watch;
  const RowSpectrum<Real> spectrum(w);
  const double gram_s = gram_watch.elapsed_s();
  const Spectrum whole = spectrum.all();
  std::vector<double> steps;
  double ks = 0;
  for (int i = 0; i < repeats; ++i) {
    const auto rows = random_rows(w.rows(), keep, static_cast<uint32_t>(i));
    const Stopwatch watch;
    const Spectrum kept = spectrum.kept(rows);
    ks = ks_statistic(whole.singular_values, kept.singular_values);
    steps.push_back(watch.elapsed_s());
    fmt::print("  step {}: {:.3f} s, KS {:.5f}\n", i, steps.back(), ks);
    std::fflush(stdout);
  }
  fmt::print("once a layer: load {:.3f} s, Gram matrix {:.3f} s\n", load_s, gram_s);
  fmt::print("prunenet spectrum step, median of {}: {:.3f} s\n", repeats, median(steps));
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  CLI::App program{"Times one exact spectrum step (downdated Gram, eigenvalues, KS) on layer 0 of a checkpoint."};
  std::string folder;
  double ratio = 0.3;
  int repeats = 5, threads = 0;
  bool f64 = false;
  program.add_option("MODEL", folder, "Checkpoint folder, for instance of prunenet-bench-make-checkpoint")->required();
  program.add_option("--ratio", ratio, "Share of rows removed")->capture_default_str();
  program.add_option("--repeats", repeats, "Steps, each with other rows")->capture_default_str();
  program.add_option("--threads", threads, "0: all processors")->capture_default_str();
  program.add_flag("--f64", f64, "Double precision");
  CLI11_PARSE(program, argc, argv);
  try {
    prunenet::set_num_threads(threads);
    f64 ? prunenet::run<double>(folder, ratio, repeats) : prunenet::run<float>(folder, ratio, repeats);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
