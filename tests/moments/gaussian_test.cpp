// Gaussian moments: against closed forms where there are some, and against plain f64 loops over the same draws for
// every activation, norm and layout.
#include "moments/gaussian.h"

#include <cmath>
#include <numbers>

#include "base/random.h"
#include "linalg/matrices.h"
#include "support/tiny_model.h"

namespace prunenet {
namespace {

constexpr int64_t kHidden = 6, kWidth = 5;

// A checkpoint of loose tensors: gaussian_moments asks the transformer's description for everything.
class GaussianTest : public testing::Test {
 protected:
  void add(const std::string& name, std::vector<int64_t> shape, uint32_t seed) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    const auto values = test::random_matrix<float>(count, 1, seed);
    tensors_.push_back(test::f32_tensor(name, std::move(shape), {values.data(), values.data() + count}));
    stored_[name] = {values.data(), values.data() + count};
  }

  Checkpoint checkpoint() {
    test::TinyModel model = test::tiny_model();
    model.tensors = tensors_;
    model.write(folder_ / "model");
    return Checkpoint(folder_ / "model");
  }

  // The row of draws of a token, as gaussian.h states it.
  static std::vector<double> draws(uint64_t seed, int64_t layer, int64_t token) {
    RandomStream stream(seed, RandomStage::kGaussianMoments, static_cast<uint32_t>(layer),
                        static_cast<uint32_t>(token));
    std::vector<double> z;
    for (int64_t j = 0; j < kHidden; j += 2) {
      const double radius = std::sqrt(-2 * std::log(stream.next_open())),
                   angle = 2 * std::numbers::pi * stream.next_open();
      z.push_back(radius * std::cos(angle));
      z.push_back(radius * std::sin(angle));
    }
    return z;
  }

  const std::vector<float>& at(const std::string& name) const { return stored_.at(name); }

  test::TemporaryFolder folder_;
  std::vector<test::TestTensor> tensors_;
  std::map<std::string, std::vector<float>> stored_;
};

double plain_activation(double x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kGeluErf:
      return x * 0.5 * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::kGeluQuick:
      return x / (1 + std::exp(-1.702 * x));
  }
  return 0;
}

struct Variant {
  Activation activation;
  bool gated, stacked, transposed, biased;
  BlockKind block;
  bool own_norm;
  double gain_offset;
};

// The moments of `tokens` draws by plain loops.
Matrix<double> plain_second(const std::vector<std::vector<double>>& hs) {
  Matrix<double> second = Matrix<double>::Zero(kWidth, kWidth);
  for (const auto& h : hs) {
    for (int64_t i = 0; i < kWidth; ++i) {
      for (int64_t j = 0; j < kWidth; ++j)
        second(i, j) += h[static_cast<size_t>(i)] * h[static_cast<size_t>(j)] / static_cast<double>(hs.size());
    }
  }
  return second;
}

TEST_F(GaussianTest, EqualsPlainLoopsForEveryActivationNormAndLayout) {
  const Variant variants[] = {
      {Activation::kSilu, true, false, false, false, BlockKind::kSequential, true, 0},
      {Activation::kSilu, true, true, false, true, BlockKind::kSequential, true, 0},
      {Activation::kGeluTanh, true, false, false, false, BlockKind::kSequential, true, 1},
      {Activation::kRelu, false, false, false, true, BlockKind::kPostNorm, true, 0},
      {Activation::kRelu, false, false, false, true, BlockKind::kSequential, true, 0},
      {Activation::kGeluTanh, false, false, true, true, BlockKind::kSequential, true, 0},
      {Activation::kGeluErf, false, false, false, true, BlockKind::kParallel, false, 0},
      {Activation::kGeluQuick, false, false, false, false, BlockKind::kParallel, true, 0},
  };
  add("attention.weight", {kHidden}, 1);
  add("attention.bias", {kHidden}, 2);
  add("ffn.weight", {kHidden}, 3);
  add("ffn.bias", {kHidden}, 4);
  add("gate", {kWidth, kHidden}, 5);
  add("up", {kWidth, kHidden}, 6);
  add("stack", {2 * kWidth, kHidden}, 7);
  add("conv", {kHidden, kWidth}, 8);
  add("gate.bias", {kWidth}, 9);
  add("up.bias", {kWidth}, 10);
  add("stack.bias", {2 * kWidth}, 11);
  const Checkpoint source = checkpoint();
  for (const Variant& v : variants) {
    TransformerDescription transformer;
    transformer.hidden = kHidden;
    transformer.activation = v.activation;
    transformer.block = v.block;
    transformer.norm_gain_offset = v.gain_offset;
    transformer.blocks.resize(2);  // layer 1 is asked for
    BlockDescription& block = transformer.blocks[1];
    block.attention_norm = NormDescription{"attention.weight", "attention.bias"};
    if (v.own_norm) block.ffn_norm = NormDescription{"ffn.weight", "ffn.bias"};
    const auto linear = [&](const std::string& name, int64_t first_row, const std::string& bias) {
      return LinearDescription{{name, first_row, kWidth, kHidden, v.transposed},
                               v.biased ? std::optional<std::string>(bias) : std::nullopt};
    };
    block.up = v.stacked ? linear("stack", kWidth, "stack.bias") : linear(v.transposed ? "conv" : "up", 0, "up.bias");
    if (v.gated) block.gate = v.stacked ? linear("stack", 0, "stack.bias") : linear("gate", 0, "gate.bias");

    const bool reads_own = v.own_norm && v.block != BlockKind::kPostNorm;
    const std::string norm = reads_own ? "ffn" : "attention";
    const auto apply = [&](const LinearDescription& map, const std::vector<double>& x, int64_t row) {
      double sum = v.biased ? static_cast<double>(at(*map.bias)[static_cast<size_t>(map.weight.first_row + row)]) : 0;
      for (int64_t j = 0; j < kHidden; ++j) {
        const int64_t index = v.transposed ? j * kWidth + row : (map.weight.first_row + row) * kHidden + j;
        sum += static_cast<double>(at(map.weight.tensor)[static_cast<size_t>(index)]) * x[static_cast<size_t>(j)];
      }
      return sum;
    };
    GaussianOptions options;
    options.tokens = 1100;  // two chunks
    options.seed = 5;
    std::vector<std::vector<double>> hs;
    for (int64_t token = 0; token < options.tokens; ++token) {
      std::vector<double> x = draws(options.seed, 1, token);
      for (size_t j = 0; j < x.size(); ++j) {
        x[j] = x[j] * (static_cast<double>(at(norm + ".weight")[j]) + v.gain_offset) +
               static_cast<double>(at(norm + ".bias")[j]);
      }
      hs.emplace_back();
      for (int64_t i = 0; i < kWidth; ++i) {
        const double up = apply(block.up, x, i);
        hs.back().push_back(v.gated ? plain_activation(apply(*block.gate, x, i), v.activation) * up
                                    : plain_activation(up, v.activation));
      }
    }
    const Matrix<double> expected = plain_second(hs);
    const Moments found = gaussian_moments(source, transformer, 1, options);
    EXPECT_EQ(found.tokens, options.tokens);
    for (int64_t i = 0; i < kWidth; ++i) {
      for (int64_t j = i; j < kWidth; ++j) {
        EXPECT_NEAR(static_cast<double>(found.second(i, j)), expected(i, j),
                    3e-6 * std::sqrt(expected(i, i) * expected(j, j)))
            << norm;
      }
    }
  }
}

// relu of N(0, s^2): E h = s / sqrt(2 pi), E h^2 = s^2 / 2, up to the noise of 50000 draws.
TEST_F(GaussianTest, ReluOfGaussiansHasItsKnownMoments) {
  add("norm", {kHidden}, 1);
  add("up", {kWidth, kHidden}, 2);
  const Checkpoint source = checkpoint();
  TransformerDescription transformer;
  transformer.activation = Activation::kRelu;
  transformer.blocks.resize(1);
  transformer.blocks[0].ffn_norm = NormDescription{"norm", std::nullopt};
  transformer.blocks[0].up = {{"up", 0, kWidth, kHidden, false}, std::nullopt};
  GaussianOptions options;
  options.tokens = 50000;
  const Moments found = gaussian_moments(source, transformer, 0, options);
  for (int64_t i = 0; i < kWidth; ++i) {
    double variance = 0;
    for (int64_t j = 0; j < kHidden; ++j) {
      const double a = static_cast<double>(at("up")[static_cast<size_t>(i * kHidden + j)]) *
                       static_cast<double>(at("norm")[static_cast<size_t>(j)]);
      variance += a * a;
    }
    EXPECT_NEAR(static_cast<double>(found.second(i, i)), variance / 2, 0.03 * variance);
    EXPECT_NEAR(found.mean[static_cast<size_t>(i)], std::sqrt(variance / (2 * std::numbers::pi)),
                0.02 * std::sqrt(variance));
  }
}

TEST_F(GaussianTest, DependsOnSeedAndLayerAndNotOnThreads) {
  test::tiny_model(1, {64, 96, 2, 16}).write(folder_ / "tiny");
  const Checkpoint source(folder_ / "tiny");
  const TransformerDescription transformer = describe_transformer(source, describe_model(source));
  const auto with = [&](int threads, uint64_t seed, int64_t layer) {
    const test::Threads guard(threads);
    GaussianOptions options;
    options.tokens = 700;
    options.seed = seed;
    Moments moments = gaussian_moments(source, transformer, layer, options);
    test::fill_lower(moments.second, 0.0f);
    return moments;
  };
  const Moments one = with(1, 1, 0);
  EXPECT_EQ(one.second, with(2, 1, 0).second);
  EXPECT_EQ(one.mean, with(3, 1, 0).mean);
  EXPECT_NE(one.second, with(1, 2, 0).second);
  EXPECT_NE(one.second, with(1, 1, 1).second);
}

TEST_F(GaussianTest, RefusesActivationsBeyondTheRangeNamingTheLayer) {
  test::TinyModel model = test::tiny_model();
  for (size_t i = 0; i < 8; ++i) model.set("model.layers.1.post_attention_layernorm.weight", i, 1e30f);
  model.write(folder_ / "big");
  const Checkpoint source(folder_ / "big");
  const TransformerDescription transformer = describe_transformer(source, describe_model(source));
  test::expect_error(ErrorCode::kNonFinite, {"layer 1"}, [&] { gaussian_moments(source, transformer, 1); });
}

}  // namespace
}  // namespace prunenet
