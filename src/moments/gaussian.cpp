// Gaussian inputs through norm, gate, up and activation.
#include "moments/gaussian.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/random.h"
#include "linalg/parallel.h"
#include "linalg/product.h"
#include "model/weights.h"
#include "moments/accumulator.h"

namespace prunenet {
namespace {

constexpr int64_t kChunkTokens = MomentAccumulator::kPanelTokens;

struct LoadedLinear {
  Matrix<float> weight;     // [out, in]
  std::vector<float> bias;  // [out] or empty
};

// Numbers first .. first + count of a stored vector.
std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& tensor, int64_t first, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  read_matrix<float>(checkpoint, {tensor, first, count, 1, false}, values);
  return values;
}

LoadedLinear load(const Checkpoint& checkpoint, const LinearDescription& linear) {
  const MatrixRef& ref = linear.weight;
  LoadedLinear loaded{Matrix<float>(ref.rows, ref.cols), {}};
  read_matrix<float>(checkpoint, ref, {loaded.weight.data(), static_cast<size_t>(loaded.weight.size())});
  if (linear.bias) loaded.bias = load_vector(checkpoint, *linear.bias, ref.first_row, ref.rows);
  return loaded;
}

// The norm whose output the FFN reads.
const std::optional<NormDescription>& norm_before_ffn(const TransformerDescription& transformer,
                                                      const BlockDescription& block) {
  const bool own = transformer.block != BlockKind::kPostNorm && block.ffn_norm.has_value();
  return own ? block.ffn_norm : block.attention_norm;
}

float activate(float x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kRelu:
      return std::max(x, 0.0f);
    case Activation::kGeluErf:
      return 0.5f * x * (1 + std::erf(x / std::numbers::sqrt2_v<float>));
    case Activation::kGeluTanh:
      return 0.5f * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi_v<float>) * (x + 0.044715f * x * x * x)));
    case Activation::kGeluQuick:
      return x / (1 + std::exp(-1.702f * x));
  }
  PRUNENET_CHECK(false);
  return x;
}

// Row i: the draws of token first + i, by Box and Muller (1958), times gain, plus bias.
void draw_inputs(const GaussianOptions& options, int64_t layer, int64_t first, const std::vector<float>& gain,
                 const std::vector<float>& bias, Block<float> x) {
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (x.rows * x.cols > (1 << 14))
  for (int64_t i = 0; i < x.rows; ++i) {
    RandomStream stream(options.seed, RandomStage::kGaussianMoments, static_cast<uint32_t>(layer),
                        static_cast<uint32_t>(first + i));
    float* const row = x.row(i);
    for (int64_t j = 0; j < x.cols; j += 2) {
      const double radius = std::sqrt(-2 * std::log(stream.next_open())),
                   angle = 2 * std::numbers::pi * stream.next_open();
      row[j] = static_cast<float>(radius * std::cos(angle));
      if (j + 1 < x.cols) row[j + 1] = static_cast<float>(radius * std::sin(angle));
    }
    for (int64_t j = 0; j < x.cols; ++j) {
      row[j] *= gain[static_cast<size_t>(j)];
      if (!bias.empty()) row[j] += bias[static_cast<size_t>(j)];
    }
  }
}

void apply(const LoadedLinear& linear, Block<const float> x, Block<float> y) {
  product<float>(Transpose::kNo, Transpose::kYes, 1, x, as_const(block_of(linear.weight)), 0, y);
}

// h = act(gate + its bias) (up + its bias), or act(up + its bias); into `up`.
void combine(const LoadedLinear& up_linear, const LoadedLinear* gate_linear, Activation activation,
             Block<const float> gate, Block<float> up) {
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (up.rows * up.cols > (1 << 14))
  for (int64_t i = 0; i < up.rows; ++i) {
    float* const u = up.row(i);
    for (int64_t j = 0; j < up.cols; ++j) {
      const auto at = static_cast<size_t>(j);
      const float value = u[j] + (up_linear.bias.empty() ? 0.0f : up_linear.bias[at]);
      if (gate_linear == nullptr) {
        u[j] = activate(value, activation);
      } else {
        const float g = gate.row(i)[j] + (gate_linear->bias.empty() ? 0.0f : gate_linear->bias[at]);
        u[j] = activate(g, activation) * value;
      }
    }
  }
}

}  // namespace

Moments gaussian_moments(const Checkpoint& checkpoint, const TransformerDescription& transformer, int64_t layer,
                         const GaussianOptions& options) {
  PRUNENET_CHECK(layer >= 0 && layer < static_cast<int64_t>(transformer.blocks.size()));
  PRUNENET_CHECK(options.tokens > 0 && options.tokens < (int64_t{1} << 32));
  const BlockDescription& block = transformer.blocks[static_cast<size_t>(layer)];
  const int64_t d = block.up.weight.cols, f = block.up.weight.rows;
  std::vector<float> gain(static_cast<size_t>(d), 1.0f), bias;
  if (const auto& norm = norm_before_ffn(transformer, block)) {
    gain = load_vector(checkpoint, norm->weight, 0, d);
    for (float& g : gain) g = static_cast<float>(static_cast<double>(g) + transformer.norm_gain_offset);
    if (norm->bias) bias = load_vector(checkpoint, *norm->bias, 0, d);
  }
  const LoadedLinear up = load(checkpoint, block.up);
  const LoadedLinear gate = block.gate ? load(checkpoint, *block.gate) : LoadedLinear{};
  const int64_t rows = std::min(kChunkTokens, options.tokens);
  Matrix<float> x(rows, d), h(rows, f), g(block.gate ? rows : 0, f);
  MomentAccumulator accumulator(f, 0, fmt::format("layer {}, FFN neurons under Gaussian inputs", layer));
  for (int64_t first = 0; first < options.tokens; first += rows) {
    throw_if_cancelled();
    const int64_t n = std::min(rows, options.tokens - first);
    const Block<float> inputs = block_of(x).part(0, n, 0, d), inner = block_of(h).part(0, n, 0, f);
    draw_inputs(options, layer, first, gain, bias, inputs);
    apply(up, as_const(inputs), inner);
    if (block.gate) apply(gate, as_const(inputs), block_of(g).part(0, n, 0, f));
    combine(up, block.gate ? &gate : nullptr, transformer.activation, as_const(block_of(g)), inner);
    accumulator.add({h.data(), static_cast<size_t>(n * f)});
  }
  return accumulator.finish().moments;
}

}  // namespace prunenet
