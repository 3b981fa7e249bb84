// prunenet-bench-device: what --device moves to a GPU, each part beside the host's own code in the same run: moments of
// one layer, elimination, refit, and an episode's step of the published policy, its spectrum exact and estimated.
// Prints every figure and how far the results are apart; status 1 where that is further than the precision explains
// (docs/gpu.md).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

#include "base/random.h"
#include "base/system.h"
#include "linalg/parallel.h"
#include "moments/accumulator.h"
#include "policy/layer_estimate.h"
#include "runtime/device_matrix.h"
#include "runtime/moment_tensors.h"
#include "runtime/torch_accelerator.h"
#include "runtime/torch_engine.h"

namespace prunenet {
namespace {

struct Options {
  std::string device = "cuda";
  int64_t inputs = 11008, outputs = 4096, tokens = 16384;
  double ratio = 0.3;
  int repeat = 3, threads = 0;
};

Matrix<float> random_numbers(int64_t rows, int64_t cols, uint32_t seed) {
  RandomStream stream(7, RandomStage::kBench, seed);
  Matrix<float> a(rows, cols);
  for (int64_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<float>(stream.next_uniform(-1, 1));
  return a;
}

// Median seconds; `work` ends when its results are on the host.
template <typename Work>
double seconds(int repeat, const Work& work) {
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    const Stopwatch watch;
    work();
    times.push_back(watch.elapsed_s());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// How far results may be apart, of the largest number.
constexpr double kMomentsApart = 1e-5;  // f32 products, summed in another order
constexpr double kErrorApart = 1e-3;    // near ties may fall otherwise in f32; what the choice costs is the same
constexpr double kWeightsApart = 2e-4;  // least squares in f32; those in f64 are nearer
// Of KS: where two singular values nearly tie, each distribution may step at another place.
double ks_apart(int64_t values) {
  return 2.0 / static_cast<double>(values);
}
constexpr double kEstimateApart = 1e-4;  // of KS, too: no values that pass each other, but f32 products

// False where the results are further apart than allowed.
bool print(const char* what, double host, double device, double apart, double allowed, const char* of_what) {
  const bool near = apart <= allowed;  // false for NaN
  fmt::print("{:<12} host {:>8.3f} s   device {:>8.3f} s   {:>6.1f} x   apart {:.1e} {}, {} {:.1e}\n", what, host,
             device, host / device, apart, of_what, near ? "of" : "MORE THAN", allowed);
  std::fflush(stdout);
  return near;
}

class OneLayer final : public LayerSource<float> {
 public:
  explicit OneLayer(Matrix<float> w) : w_(std::move(w)) {}
  int64_t num_layers() const override { return 1; }
  int64_t rows(int64_t) const override { return w_.rows(); }
  int64_t cols() const override { return w_.cols(); }
  Matrix<float> load(int64_t) override { return w_; }

 private:
  Matrix<float> w_;
};

// False where some result is further from the host's than allowed.
bool bench(const Options& options) {
  AcceleratorOptions accelerator_options;
  accelerator_options.device = options.device;
  accelerator_options.threads = options.threads;
  TorchAccelerator accelerator(accelerator_options);
  const at::Device device = torch_device(options.device);
  set_num_threads(options.threads);
  const int64_t f = options.inputs, d = options.outputs;
  const auto removed = static_cast<int64_t>(options.ratio * static_cast<double>(f));
  fmt::print("{} inputs, {} outputs, {} tokens, {} removed; host: {} threads; device: {}\n", f, d, options.tokens,
             removed, num_threads(), accelerator.device());

  // Inputs that lean on each other, as a layer's do; the tokens lie on the device, where a walk would leave them.
  const int64_t chunk = 2048, chunks = std::max<int64_t>(1, options.tokens / chunk);
  Matrix<float> rows = random_numbers(chunk, f, 1);
  for (int64_t j = f / 2; j < f; ++j) rows.col(j) += 0.7F * rows.col(j - f / 2);
  const at::Tensor tensor = on_device(rows, {device, at::kFloat});
  CollectedMoments of_host, of_device;
  const double host_moments = seconds(options.repeat, [&] {
    MomentAccumulator accumulator(f);
    for (int64_t i = 0; i < chunks; ++i) accumulator.add({rows.data(), static_cast<size_t>(rows.size())});
    of_host = accumulator.finish();
  });
  const auto on_the_device = [&] {
    MomentTensors accumulator(f, 0, device, true, "bench");
    for (int64_t i = 0; i < chunks; ++i) accumulator.add(tensor);
    of_device = accumulator.finish();
  };
  on_the_device();  // the first call loads kernels
  const double device_moments = seconds(options.repeat, on_the_device);
  // The upper triangle is what both fill.
  const Matrix<float> gap = (of_host.moments.second - of_device.moments.second).triangularView<Eigen::Upper>();
  bool all_near = print("moments", host_moments, device_moments,
                        static_cast<double>(gap.cwiseAbs().maxCoeff() / of_host.moments.second.diagonal().maxCoeff()),
                        kMomentsApart, "of the largest E h^2");

  const Moments& moments = of_host.moments;
  const Matrix<float> w = random_numbers(d, f, 2);
  EliminationOptions elimination;
  elimination.remove_groups = removed;
  elimination.where = "bench";
  Elimination chosen, chosen_there;
  accelerator.eliminate(moments, w, nullptr, [&] {
    EliminationOptions few = elimination;
    few.remove_groups = 1;
    return few;
  }());
  const double host_choice = seconds(1, [&] { chosen = eliminate(moments, w, nullptr, elimination); });
  const double device_choice =
      seconds(options.repeat, [&] { chosen_there = accelerator.eliminate(moments, w, nullptr, elimination); });
  if (removed > 0) {
    all_near &= print("elimination", host_choice, device_choice,
                      std::abs(chosen.error.back() / chosen_there.error.back() - 1), kErrorApart, "of the error");
  }

  const std::vector<int64_t> kept = kept_groups(chosen, f, removed);
  Refit refitted, refitted_there;
  RefitOptions refit_options;
  refit_options.where = "bench";
  accelerator.refit(moments, nullptr, w, nullptr, kept, refit_options);
  const double host_refit = seconds(1, [&] { refitted = refit(moments, nullptr, w, nullptr, kept, refit_options); });
  const double device_refit = seconds(
      options.repeat, [&] { refitted_there = accelerator.refit(moments, nullptr, w, nullptr, kept, refit_options); });
  all_near &= print(
      "refit", host_refit, device_refit,
      static_cast<double>((refitted.w - refitted_there.w).cwiseAbs().maxCoeff() / refitted.w.cwiseAbs().maxCoeff()),
      kWeightsApart, "of the largest weight");

  OneLayer layer(random_numbers(f, d, 3));
  const auto initial = PolicyNetwork<float>::initial(f, d, 1);
  const std::vector<double> gradient(static_cast<size_t>(f), -0.01);
  for (const auto method : {SpectrumMethod::kExact, SpectrumMethod::kEstimate}) {
    const bool exact = method == SpectrumMethod::kExact;
    if (!exact && !can_estimate(method, SpectrumRoute::kGram, f, d, static_cast<int64_t>(kept.size()))) {
      fmt::print(
          "estimate     not at this shape: it takes {} outputs or more, more kept inputs than outputs, and some "
          "removed\n",
          kEstimateFromOrder);
      break;
    }
    SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram, method);
    HostBackend<float> host(layer, spectra, initial, {});
    const auto there = accelerator.policy_backend(layer, initial, {.method = method});
    SpectrumDistance from_host, from_there;
    const auto step = [&](PolicyBackend& backend, SpectrumDistance& distance) {
      backend.logits(0);
      distance = backend.distance(0, kept);
      backend.update(0, gradient);
      backend.logits(0);  // waits for the update
    };
    step(host, from_host);
    step(*there, from_there);  // the whole spectra, and kernels
    if (!exact && (from_host.error == 0 || from_there.error == 0)) {
      fmt::print("estimate     NOT CONVERGED on the {}: its distance is exact\n",
                 from_host.error == 0 ? "host" : "device");
      all_near = false;
      break;
    }
    const double host_step = seconds(1, [&] { step(host, from_host); });
    const double device_step = seconds(options.repeat, [&] { step(*there, from_there); });
    all_near &=
        print(exact ? "policy step" : "estimated", host_step, device_step, std::abs(from_host.ks - from_there.ks),
              exact ? ks_apart(std::min(f, d)) : kEstimateApart, "in KS");
  }
  return all_near;
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App app("What --device moves to a GPU, beside the host's own code");
  const auto count = [&](const char* name, auto& value, const char* help) {
    app.add_option(name, value, help)->capture_default_str()->check(CLI::Range(1, 1'000'000));
  };
  app.add_option("--device", options.device, "cuda, cuda:N, or cpu: torch on the processor")->capture_default_str();
  count("--inputs", options.inputs, "Inputs of the layer's last matrix");
  count("--outputs", options.outputs, "Its outputs");
  count("--tokens", options.tokens, "Tokens of the moments");
  app.add_option("--ratio", options.ratio, "Share of the inputs that go")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.9));
  count("--repeat", options.repeat, "Measurements on the device: the median counts");
  app.add_option("--threads", options.threads, "Threads of the host; 0: all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  CLI11_PARSE(app, argc, argv);
  try {
    if (prunenet::bench(options)) return 0;
    fmt::print(stderr, "error: results on {} are further from the host's than they may be\n", options.device);
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
