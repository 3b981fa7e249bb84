// prunenet-bench-window: one window of a perplexity run against the bare matrix products that it needs (the same shapes
// and weights through torch::matmul), in turn, so that both see the same machine. Prints medians, their ratio and
// memory.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/system.h"
#include "runtime/torch_engine.h"

namespace prunenet {
namespace {

struct Options {
  std::string model, dtype = "f32";
  int64_t window = 2048;
  int repeat = 5, threads = 0;
  bool stream = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The products of every matrix of the model with `rows` rows of input, and nothing else.
class BareProducts {
 public:
  BareProducts(const Checkpoint& checkpoint, const TransformerDescription& model, at::ScalarType type, int64_t rows)
      : weights_(checkpoint, at::kCPU), type_(type) {
    const auto add = [&](const LinearDescription& linear) {
      matrices_.push_back(weights_.get(linear.weight.tensor, type));
    };
    for (const BlockDescription& block : model.blocks) {
      const AttentionDescription& attention = block.attention;
      for (const auto* part : {&attention.query, &attention.key, &attention.value, &attention.fused, &block.gate}) {
        if (*part) add(**part);
      }
      add(attention.output);
      add(block.up);
      add(block.down);
    }
    add(model.head);
    for (const at::Tensor& matrix : matrices_) {
      at::Tensor& input = inputs_[matrix.size(1)];
      if (!input.defined()) input = at::randn({rows, matrix.size(1)}).to(type_);
      flops_ += 2.0 * static_cast<double>(rows * matrix.numel());
    }
  }

  void run() const {
    for (const at::Tensor& matrix : matrices_) at::matmul(inputs_.at(matrix.size(1)), matrix.t());
  }
  double flops() const { return flops_; }

 private:
  CheckpointWeights weights_;
  at::ScalarType type_;
  std::vector<at::Tensor> matrices_;
  std::map<int64_t, at::Tensor> inputs_;  // by width
  double flops_ = 0;
};

void measure(const Options& options) {
  const double before = static_cast<double>(peak_rss_bytes()) / 1e6;  // libtorch itself
  const Checkpoint checkpoint(options.model);
  const ModelDescription model = describe_model(checkpoint);
  const bool bf16 = options.dtype == "bf16";
  EngineOptions engine_options;
  engine_options.compute = bf16 ? ComputeType::kBf16 : ComputeType::kF32;
  engine_options.stream = options.stream;
  engine_options.threads = options.threads;
  TorchEngine engine(checkpoint, model, engine_options);

  std::vector<ScoreRequest> requests(1);
  RandomStream random(1, RandomStage::kBench);
  for (int64_t i = 0; i < options.window; ++i) {
    requests[0].ids.push_back(static_cast<TokenId>(random.next_u32() % static_cast<uint32_t>(engine.vocab())));
  }
  const auto time = [](const auto& work) {
    const Stopwatch watch;
    work();
    return watch.elapsed_s();
  };
  if (options.stream) {  // the bare products would hold every weight: only memory and time are of interest
    std::vector<double> seconds;
    for (int i = 0; i < options.repeat; ++i) seconds.push_back(time([&] { engine.score(requests); }));
    int64_t layer = 0, head = 0;
    for (const auto& entry : checkpoint.tensors()) {
      const int64_t bytes = entry.stored.spec.num_elements() * (bf16 ? 2 : 4);
      if (entry.stored.spec.name.find(".layers.0.") != std::string::npos) layer += bytes;
      if (entry.stored.spec.name == "lm_head.weight") head = bytes;
    }
    const double most = static_cast<double>(std::max(layer, head)) / 1e6;
    const double peak = static_cast<double>(peak_rss_bytes()) / 1e6;
    fmt::print(
        "{} streamed: a window of {} takes {:.2f} s (median); peak memory {:.0f} MB, {:.0f} MB of it before the model "
        "was read; a layer is {:.0f} MB, "
        "the head {:.0f} MB: {:.2f} times the larger\n",
        options.dtype, options.window, median(seconds), peak, before, static_cast<double>(layer) / 1e6,
        static_cast<double>(head) / 1e6, (peak - before) / most);
    return;
  }
  const at::NoGradGuard no_grad;
  const BareProducts products(checkpoint, describe_transformer(checkpoint, model), bf16 ? at::kBFloat16 : at::kFloat,
                              options.window);
  products.run();
  engine.score(requests);
  std::vector<double> bare, whole, ratios;
  for (int i = 0; i < options.repeat; ++i) {
    bare.push_back(time([&] { products.run(); }));
    whole.push_back(time([&] { engine.score(requests); }));
    ratios.push_back(whole.back() / bare.back());
  }
  fmt::print(
      "{}: window {}: bare products {:.2f} s ({:.0f} GFLOP/s), perplexity {:.2f} s, ratio {:.2f} (medians of {}; "
      "ratios {:.2f})\n",
      options.dtype, options.window, median(bare), products.flops() / median(bare) / 1e9, median(whole), median(ratios),
      options.repeat, fmt::join(ratios, " "));
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App program{"Times one window of a perplexity run beside the bare matrix products that it needs"};
  program.add_option("MODEL", options.model, "Hugging Face folder")->required();
  program.add_option("--dtype", options.dtype, "f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  program.add_option("--window", options.window, "Ids in the window")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  program.add_option("--repeat", options.repeat, "Pairs of runs")->check(CLI::Range(1, 1000))->capture_default_str();
  program.add_option("--threads", options.threads, "Threads; 0: all processors")->check(CLI::Range(0, 4096));
  program.add_flag("--stream", options.stream, "Measure memory and time with one layer in memory at a time");
  CLI11_PARSE(program, argc, argv);
  try {
    prunenet::measure(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
