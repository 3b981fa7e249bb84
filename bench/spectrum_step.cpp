// The published policy at a real shape: what one layer takes in one episode of training (read, logits, draw, spectrum, KS,
// gradient, AdamW), with exact spectra and with estimated ones; and how far estimated KS values are from exact ones over
// random choices of rows. Reads a checkpoint, so that another program can time the same numbers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <vector>

#include "base/random.h"
#include "base/system.h"
#include "linalg/blas_info.h"
#include "linalg/parallel.h"
#include "policy/host_backend.h"
#include "policy/prunenet_scorer.h"
#include "policy/trainer.h"
#include "selection/scorer.h"

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

// Keeps the best policy, which the result is read from, and forgets the state that only a stopped training needs.
class BestOnly final : public ResultStore {
 public:
  std::optional<std::span<const std::byte>> find(const std::string& name) const override {
    const auto found = parts_.find(name);
    if (found == parts_.end()) return std::nullopt;
    return std::span<const std::byte>(found->second);
  }
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override {
    if (!name.starts_with("policy.best")) return bytes;
    return parts_[name] = std::vector<std::byte>(bytes.begin(), bytes.end());
  }
  void remove(const std::string& name) override { parts_.erase(name); }
  void remove_all(const std::string& prefix) override {
    std::erase_if(parts_, [&](const auto& part) { return part.first.starts_with(prefix); });
  }

 private:
  std::map<std::string, std::vector<std::byte>> parts_;
};

template <typename Real>
void run(const std::string& folder, double ratio, int repeats, int exact_repeats, int masks) {
  const Checkpoint checkpoint(folder);
  const ModelDescription model = describe_model(checkpoint);
  CheckpointLayers<Real> layers(checkpoint, model);
  const int64_t rows = layers.rows(0), keep = static_cast<int64_t>((1 - ratio) * static_cast<double>(rows));
  fmt::print("{} layers {} x {}, {} rows kept, f{}, {} threads, {}\n", layers.num_layers(), rows, layers.cols(), keep,
             8 * sizeof(Real), num_threads(), blas_info().name);
  const auto scratch = std::filesystem::temp_directory_path();
  for (const auto method : {SpectrumMethod::kExact, SpectrumMethod::kEstimate}) {
    const bool exact = method == SpectrumMethod::kExact;
    const int count = exact ? exact_repeats : repeats;
    if (count == 0) continue;
    SpectrumBase<Real> spectra(scratch, SpectrumRoute::kGram, method);
    HostBackend<Real> backend(layers, spectra, PolicyNetwork<Real>::initial(rows, layers.cols(), 42), {});
    BestOnly store;
    SilentProgress progress;
    TrainOptions options;
    options.episodes = count + 1;
    const std::vector<int64_t> widths(static_cast<size_t>(layers.num_layers()), keep);
    const TrainResult result = train_prunenet(backend, widths, options, store, progress);
    const auto of_layer = [&](const EpisodeResult& episode) { return episode.elapsed_s / static_cast<double>(layers.num_layers()); };
    std::vector<double> steps;
    for (size_t e = 1; e < result.episodes.size(); ++e) steps.push_back(of_layer(result.episodes[e]));
    const char* name = exact ? "exact" : "estimate";
    fmt::print("prunenet {}: once a layer {:.3f} s (Gram matrix and whole spectrum)\n", name, of_layer(result.episodes[0]) - median(steps));
    fmt::print("prunenet {}, layer-episode, median of {}: {:.3f} s\n", name, count, median(steps));
    std::fflush(stdout);
  }
  if (masks == 0) return;
  const Matrix<Real> w = layers.load(0);
  SpectrumBase<Real> exact(scratch, SpectrumRoute::kGram), estimate(scratch, SpectrumRoute::kGram, SpectrumMethod::kEstimate);
  double largest = 0, mean = 0;
  int within = 0;
  for (int i = 0; i < masks; ++i) {
    const auto kept = random_rows(w.rows(), keep, static_cast<uint32_t>(i));
    const SpectrumDistance truth = exact.distance(0, w, kept), guess = estimate.distance(0, w, kept);
    const double relative = guess.ks / truth.ks - 1;
    largest = std::max(largest, std::abs(relative));
    mean += relative / masks;
    within += std::abs(guess.ks - truth.ks) <= guess.error ? 1 : 0;
    fmt::print("  mask {:>2}: KS exact {:.5f}, estimate {:.5f} (error stated {:.5f}), {:+.2f} %\n", i, truth.ks, guess.ks, guess.error,
               100 * relative);
  }
  fmt::print("KS estimate over {} masks: largest difference {:.2f} %, mean {:+.2f} %; within its stated error {} times\n", masks,
             100 * largest, 100 * mean, within);
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  CLI::App program{"Times a layer-episode of policy training, exact and estimated, and compares estimated KS with exact over random masks."};
  std::string folder;
  double ratio = 0.3;
  int repeats = 5, exact_repeats = 3, masks = 20, threads = 0;
  bool f64 = false;
  program.add_option("MODEL", folder, "Checkpoint folder, for instance of prunenet-bench-make-checkpoint")->required();
  program.add_option("--ratio", ratio, "Share of rows removed")->capture_default_str();
  program.add_option("--repeats", repeats, "Episodes timed with the estimate")->capture_default_str();
  program.add_option("--exact-repeats", exact_repeats, "Episodes timed with exact spectra")->capture_default_str();
  program.add_option("--masks", masks, "Choices of rows on which both KS are compared")->capture_default_str();
  program.add_option("--threads", threads, "0: all processors")->capture_default_str();
  program.add_flag("--f64", f64, "Double precision");
  CLI11_PARSE(program, argc, argv);
  try {
    prunenet::set_num_threads(threads);
    f64 ? prunenet::run<double>(folder, ratio, repeats, exact_repeats, masks)
        : prunenet::run<float>(folder, ratio, repeats, exact_repeats, masks);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
