// prunenet-bench-surgeon-step: one layer of LLaMA-2-7B's shape through moments, elimination and refit, with each part
// beside a bare BLAS call of the same run, so that a busy machine slows both. Prints every figure and the peak memory.
#include <cblas.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <vector>

#include "base/system.h"
#include "linalg/blas_info.h"
#include "linalg/parallel.h"
#include "moments/accumulator.h"
#include "surgeon/eliminate.h"
#include "surgeon/refit.h"

namespace prunenet {
namespace {

struct Options {
  int64_t inputs = 11008, outputs = 4096, tokens = 16384, chunk = 2048;
  double ratio = 0.3;
  int64_t group_size = 1;
  int repeat = 3, threads = 0;
  bool target = false, sensitivity = false, only_moments = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Fast and good enough for timings: xorshift, scaled; inputs share a few directions and are mostly near zero, as the
// inputs of a down projection are.
void fill(Matrix<float>& a, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (int64_t i = 0; i < a.size(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    a.data()[i] = static_cast<float>(static_cast<int64_t>(state)) * 0x1p-63f;
  }
}

Matrix<float> tokens_of(const Options& options, uint64_t seed) {
  Matrix<float> h(options.chunk, options.inputs);
  fill(h, seed);
  for (int64_t i = 0; i < h.rows(); ++i) {
    const float common = h(i, 0), other = h(i, 1);
    for (int64_t j = 0; j < h.cols(); ++j) {
      const float x = h(i, j), weight = 0.02f * static_cast<float>(j % 31);
      h(i, j) = x * x * x + weight * common + (j % 7 == 0 ? 0.3f * other : 0.0f) + 0.05f;
    }
  }
  return h;
}

double memory_gib() {
  return static_cast<double>(peak_rss_bytes()) / 1073741824.0;
}

void report_moments(const Options& options, const Matrix<float>& h) {
  // Chunk by chunk in turn, so that both see the same machine.
  const auto n = static_cast<int>(options.chunk), f = static_cast<int>(options.inputs);
  const int64_t chunks = options.tokens / options.chunk;
  std::vector<double> bare, ours, ratios;
  Matrix<float> c = Matrix<float>::Zero(f, f);
  for (int i = 0; i < options.repeat; ++i) {
    double bare_s = 0;
    Stopwatch begin;
    MomentAccumulator accumulator(options.inputs);
    double ours_s = begin.elapsed_s();
    for (int64_t k = 0; k < chunks; ++k) {
      const Stopwatch bare_watch;
      cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, f, n, 1, h.data(), f, 1, c.data(), f);
      bare_s += bare_watch.elapsed_s();
      const Stopwatch watch;
      accumulator.add({h.data(), static_cast<size_t>(h.size())});
      ours_s += watch.elapsed_s();
    }
    const Stopwatch end;
    accumulator.finish();
    ours_s += end.elapsed_s();
    bare.push_back(bare_s);
    ours.push_back(ours_s);
    ratios.push_back(ours_s / bare_s);
  }
  const double flops =
      static_cast<double>(options.inputs) * static_cast<double>(options.inputs) * static_cast<double>(options.tokens);
  fmt::print("moments: {:.2f} s, bare ssyrk {:.2f} s ({:.0f} GFLOP/s), ratio {:.2f} (medians of {}; ratios {:.2f})\n",
             median(ours), median(bare), flops / median(bare) / 1e9, median(ratios), options.repeat,
             fmt::join(ratios, " "));
}

// Seconds of a bare product of 4096 x 4096 x 4096: what "a second" is worth on this machine just now.
double bare_gemm_gflops() {
  constexpr int kSize = 4096;
  Matrix<float> a(kSize, kSize), b(kSize, kSize), c(kSize, kSize);
  fill(a, 1);
  fill(b, 2);
  std::vector<double> seconds;
  for (int i = 0; i < 3; ++i) {
    const Stopwatch watch;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize, 1, a.data(), kSize, b.data(), kSize, 0,
                c.data(), kSize);
    seconds.push_back(watch.elapsed_s());
  }
  return 2.0 * kSize * kSize * kSize / median(seconds) / 1e9;
}

void run(const Options& options) {
  fmt::print("F {}, D {}, {} tokens, {} threads, {}\n", options.inputs, options.outputs, options.tokens, num_threads(),
             blas_info().name);
  Matrix<float> t(options.target ? options.chunk : 0, options.outputs);
  CollectedMoments collected;
  {
    const Matrix<float> h = tokens_of(options, 1);
    if (options.repeat > 0) report_moments(options, h);
    fmt::print("peak memory after the moments {:.2f} GiB\n", memory_gib());
  }
  if (options.only_moments) return;
  {
    MomentAccumulator accumulator(options.inputs, options.target ? options.outputs : 0);
    for (int64_t k = 0; k < options.tokens / options.chunk; ++k) {
      const Matrix<float> h = tokens_of(options, static_cast<uint64_t>(k + 1));
      if (options.target) fill(t, static_cast<uint64_t>(k + 1000));
      accumulator.add({h.data(), static_cast<size_t>(h.size())}, {t.data(), static_cast<size_t>(t.size())});
    }
    collected = accumulator.finish();
    t.resize(0, 0);
  }
  Matrix<float> w(options.outputs, options.inputs), g;
  fill(w, 7);
  if (options.sensitivity) {
    Matrix<float> sample(512, options.outputs);
    fill(sample, 8);
    MomentAccumulator accumulator(options.outputs);
    accumulator.add({sample.data(), static_cast<size_t>(sample.size())});
    g = accumulator.finish().moments.second;
  }
  const double gflops = bare_gemm_gflops();
  EliminationOptions elimination_options;
  elimination_options.group_size = options.group_size;
  elimination_options.remove_groups =
      static_cast<int64_t>(options.ratio * static_cast<double>(options.inputs / options.group_size));
  const std::clock_t cpu_before = std::clock();
  const Stopwatch eliminate_watch;
  const Elimination elimination =
      eliminate(collected.moments, w, options.sensitivity ? &g : nullptr, elimination_options);
  const double eliminate_s = eliminate_watch.elapsed_s();
  fmt::print(
      "elimination of {}: {:.1f} s, error {:.4f} of the energy, damping {:.4f} (raised {} times); peak memory {:.2f} "
      "GiB\n",
      elimination.removed.size(), eliminate_s, elimination.error.back() / elimination.energy, elimination.damping,
      elimination.damping_raised, memory_gib());
  std::fflush(stdout);
  const std::vector<int64_t> kept = columns_of_groups(
      kept_groups(elimination, options.inputs / options.group_size, elimination_options.remove_groups),
      options.group_size);
  const Stopwatch refit_watch;
  const Refit refitted = refit(collected.moments, collected.target ? &*collected.target : nullptr, w, nullptr, kept);
  const double refit_s = refit_watch.elapsed_s();
  const double cpu_s = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  fmt::print("refit of {}: {:.1f} s, error {:.4f} of the energy, {:.4f} before; damping {:.4f} (raised {} times)\n",
             kept.size(), refit_s, refitted.error / refitted.target_energy,
             refitted.plain_error / refitted.target_energy, refitted.damping, refitted.damping_raised);
  const double gflops_after = bare_gemm_gflops();
  fmt::print(
      "elimination and refit: {:.1f} s (goal 60), {:.1f} s of processor time, while a bare product ran at {:.0f} "
      "GFLOP/s before and {:.0f} "
      "after; peak memory {:.2f} GiB (goal 4)\n",
      eliminate_s + refit_s, cpu_s, gflops, gflops_after, memory_gib());
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App program{"Times moments, elimination and refit of one layer beside bare BLAS calls"};
  program.add_option("--inputs", options.inputs, "F")->capture_default_str();
  program.add_option("--outputs", options.outputs, "D")->capture_default_str();
  program.add_option("--tokens", options.tokens, "A multiple of --chunk")->capture_default_str();
  program.add_option("--chunk", options.chunk, "Tokens added at once")->capture_default_str();
  program.add_option("--ratio", options.ratio, "Share of the inputs removed")->capture_default_str();
  program.add_option("--group-size", options.group_size, "Inputs that go together")->capture_default_str();
  program.add_option("--repeat", options.repeat, "Pairs of runs of the moments; 0: none")->capture_default_str();
  program.add_option("--threads", options.threads, "0: all processors")->capture_default_str();
  program.add_flag("--target", options.target, "Refit against targets other than the map's own output");
  program.add_flag("--sensitivity", options.sensitivity, "Weigh the error by a matrix G");
  program.add_flag("--only-moments", options.only_moments, "Stop after the moments");
  CLI11_PARSE(program, argc, argv);
  try {
    prunenet::set_num_threads(options.threads);
    prunenet::run(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
