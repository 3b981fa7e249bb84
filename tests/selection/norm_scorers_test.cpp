// Norm and product scorers on small checkpoints of each layout, against norms worked out by hand.
#include <cmath>
#include <limits>

#include "base/random.h"
#include "selection/scorer.h"
#include "support/support.h"

namespace prunenet {
namespace {

using Values = std::vector<float>;
using Indices = std::vector<int64_t>;

constexpr int64_t kHidden = 4;

/// A checkpoint in a folder of its own, opened and described.
class SmallModel {
 public:
  SmallModel(const std::string& config, const std::vector<test::TestTensor>& tensors) {
    test::write_bytes(folder_ / "config.json", config);
    test::write_bytes(folder_ / "model.safetensors", test::safetensors_bytes(tensors));
    checkpoint_.emplace(folder_.path());
    model_ = describe_model(*checkpoint_);
  }
  const ModelDescription& description() const { return model_; }
  std::vector<double> norms(NormOf which, int64_t layer) const {
    return norm_scorer(*checkpoint_, model_, which)->scores(layer);
  }
  std::vector<double> product(int64_t layer) const { return product_scorer(*checkpoint_, model_)->scores(layer); }
  void expect_no_gate() const {
    test::expect_error(ErrorCode::kUnsupported, {"--method gate-norm", model_.family, "no gate"},
                       [&] { norm_scorer(*checkpoint_, model_, NormOf::kGate); });
  }

 private:
  test::TemporaryFolder folder_;
  std::optional<Checkpoint> checkpoint_;
  ModelDescription model_;
};

struct Ffn {
  Values gate, up, down;  // [F, 4], [F, 4], [4, F]
};

SmallModel llama(const std::vector<Ffn>& layers) {
  const auto width = static_cast<int64_t>(layers[0].up.size()) / kHidden;
  std::vector<test::TestTensor> tensors{
      test::f32_tensor("model.embed_tokens.weight", {8, kHidden}, Values(8 * kHidden, 1))};
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.mlp.", i);
    tensors.push_back(test::f32_tensor(prefix + "gate_proj.weight", {width, kHidden}, layers[i].gate));
    tensors.push_back(test::f32_tensor(prefix + "up_proj.weight", {width, kHidden}, layers[i].up));
    tensors.push_back(test::f32_tensor(prefix + "down_proj.weight", {kHidden, width}, layers[i].down));
  }
  return {fmt::format(R"({{"model_type": "llama", "hidden_size": 4, "num_hidden_layers": {}, "num_attention_heads": 2,
                          "intermediate_size": {}, "vocab_size": 8}})",
                      layers.size(), width),
          tensors};
}

// Norms by Pythagoras: rows (3,4,0,0) = 5, (1,1,1,1) = 2, (2,4,4,0) = 6, and so on; each column of down likewise.
const Ffn kFirst{{3, 4, 0, 0, /**/ 1, 1, 1, 1, /**/ 2, 4, 4, 0},           // 5, 2, 6
                 {0, 0, 0, 7, /**/ -1, 2, 2, 0, /**/ 0, 0, 0, 0},          // 7, 3, 0
                 {1, 0, 6, /**/ -1, 0, 8, /**/ 1, 0, 0, /**/ 1, -9, 0}};   // 2, 9, 10
const Ffn kSecond{{1, 0, 0, 0, /**/ 0, 2, 0, 0, /**/ 0, 0, -4, 0},         // 1, 2, 4
                  {0, 5, 12, 0, /**/ 8, 0, 0, 15, /**/ 0, 0, 0, 1},        // 13, 17, 1
                  {3, 0, 0, /**/ 0, 1, 0, /**/ 4, 0, 0, /**/ 0, 0, -32}};  // 5, 1, 32

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  // A few roundings in f64.
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], 1e-14 * (1 + std::abs(expected[i]))) << i;
}

TEST(NormScorer, GivesTheNormsOfGateUpAndDownOfEachLayer) {
  const SmallModel model = llama({kFirst, kSecond});
  for (int repeat = 0; repeat < 2; ++repeat) {
    expect_near(model.norms(NormOf::kGate, 0), {5, 2, 6});
    expect_near(model.norms(NormOf::kUp, 0), {7, 3, 0});
    expect_near(model.norms(NormOf::kDown, 0), {2, 9, 10});
    expect_near(model.norms(NormOf::kGate, 1), {1, 2, 4});
    expect_near(model.norms(NormOf::kUp, 1), {13, 17, 1});
    expect_near(model.norms(NormOf::kDown, 1), {5, 1, 32});
  }
}

TEST(ProductScorer, GivesTheLogarithmOfTheProductOfAllNorms) {
  const SmallModel model = llama({kFirst, kSecond});
  const std::vector<double> first = model.product(0);
  expect_near({first[0], first[1]}, {std::log(70.0), std::log(54.0)});
  EXPECT_EQ(first[2], -std::numeric_limits<double>::infinity());  // its up row is zero
  expect_near(model.product(1), {std::log(65.0), std::log(34.0), std::log(128.0)});
}

TEST(ProductScorer, PutsNeuronsWithAZeroRowLastWhicheverMatrixItIsIn) {
  const Values ones(12, 1);
  for (int which = 0; which < 3; ++which) {
    Ffn ffn{ones, ones, ones};
    Values& matrix = which == 0 ? ffn.gate : which == 1 ? ffn.up : ffn.down;
    for (size_t i = 0; i < 4; ++i) matrix[which == 2 ? i * 3 : i] = 0;  // of neuron 0
    for (size_t i = 0; i < 4; ++i) ffn.gate[4 + i] *= 1e-30f;           // next to nothing is more than nothing
    const SmallModel model = llama({ffn});
    EXPECT_EQ(top_indices(model.product(0), 2), (Indices{1, 2})) << which;
  }
  const SmallModel zeros = llama({{Values(12), Values(12), Values(12)}});
  EXPECT_EQ(top_indices(zeros.product(0), 2), (Indices{0, 1}));  // no NaN
}

// Of two neurons each, one is a copy of the other: equal scores, of which the lower index is kept.
Ffn neurons_in_pairs(int64_t width, uint64_t seed) {
  RandomStream stream(seed, RandomStage::kBench);
  Ffn ffn{Values(static_cast<size_t>(width * kHidden)), {}, {}};
  ffn.up = ffn.down = ffn.gate;
  for (int64_t neuron = 0; neuron < width; neuron += 2) {
    for (int64_t k = 0; k < kHidden; ++k) {
      for (Values* matrix : {&ffn.gate, &ffn.up, &ffn.down}) {
        const auto x = static_cast<float>(stream.next_uniform(-1, 1));
        for (int64_t i : {neuron, neuron + 1}) {
          (*matrix)[static_cast<size_t>(matrix == &ffn.down ? k * width + i : i * kHidden + k)] = x;
        }
      }
    }
  }
  return ffn;
}

// Neuron i's up row times 2^p and its down column times 2^-p, another p for each: the model computes the same.
Ffn rescaled(Ffn ffn, uint64_t seed) {
  RandomStream stream(seed, RandomStage::kBench);
  const auto width = static_cast<int64_t>(ffn.up.size()) / kHidden;
  for (int64_t i = 0; i < width; ++i) {
    const int power = static_cast<int>(stream.next_u32() % 41) - 20;
    for (int64_t k = 0; k < kHidden; ++k) {
      float& up = ffn.up[static_cast<size_t>(i * kHidden + k)];
      float& down = ffn.down[static_cast<size_t>(k * width + i)];
      up = std::ldexp(up, power);
      down = std::ldexp(down, -power);
    }
  }
  return ffn;
}

TEST(ProductScorer, IsExactlyTheSameWhenUpAndDownAreRescaledByPowersOfTwo) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Ffn ffn = neurons_in_pairs(40, seed), other = rescaled(ffn, seed + 100);
    ASSERT_NE(ffn.up, other.up);
    const SmallModel before = llama({ffn}), after = llama({other});
    EXPECT_EQ(before.product(0), after.product(0));
    for (int64_t count : {1, 7, 20, 33}) {
      EXPECT_EQ(top_indices(before.product(0), count), top_indices(after.product(0), count));
    }
    EXPECT_NE(top_indices(before.norms(NormOf::kUp, 0), 20),
              top_indices(after.norms(NormOf::kUp, 0), 20));  // norms do not stay
  }
}

TEST(ProductScorer, StaysWithinTheRangeForWeightsOfAnySize) {
  Ffn ffn{Values(12, 1e-38f), Values(12, 1e-38f), Values(12, 1e-38f)};
  for (size_t i = 0; i < 4; ++i) ffn.gate[i] = ffn.up[i] = ffn.down[i * 3] = 1e38f;
  const std::vector<double> found = llama({ffn}).product(0);
  expect_near({found[0], found[1]},
              {3 * std::log(2 * static_cast<double>(1e38f)), 3 * std::log(2 * static_cast<double>(1e-38f))});
}

TEST(NormScorer, RefusesWeightsThatAreNotFiniteAndNamesTheTensor) {
  Ffn ffn = kFirst;
  ffn.up[5] = std::numeric_limits<float>::quiet_NaN();
  const SmallModel model = llama({kSecond, ffn});
  EXPECT_NO_THROW(model.product(0));
  EXPECT_NO_THROW(model.norms(NormOf::kGate, 1));
  test::expect_error(ErrorCode::kNonFinite, {"model.layers.1.mlp.up_proj.weight"},
                     [&] { model.norms(NormOf::kUp, 1); });
  test::expect_error(ErrorCode::kNonFinite, {"model.layers.1.mlp.up_proj.weight"}, [&] { model.product(1); });
}

TEST(NormScorer, ReadsAPlainFfnAndHasNoGateThere) {
  const SmallModel model({R"({"model_type": "opt", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
                              "ffn_dim": 3, "vocab_size": 8})"},
                         {test::f32_tensor("model.decoder.embed_tokens.weight", {8, 4}, Values(32, 1)),
                          test::f32_tensor("model.decoder.layers.0.fc1.weight", {3, 4}, kSecond.up),
                          test::f32_tensor("model.decoder.layers.0.fc1.bias", {3}, Values(3, 99)),
                          test::f32_tensor("model.decoder.layers.0.fc2.weight", {4, 3}, kFirst.down)});
  expect_near(model.norms(NormOf::kUp, 0), {13, 17, 1});
  expect_near(model.norms(NormOf::kDown, 0), {2, 9, 10});
  expect_near(model.product(0), {std::log(26.0), std::log(153.0), std::log(10.0)});
  model.expect_no_gate();
}

TEST(NormScorer, ReadsConv1dMatricesTheOtherWayRound) {
  // c_fc is stored [4, F] and c_proj [F, 4]: up and down of the plain case have changed places.
  const SmallModel model(
      {R"({"model_type": "gpt2", "n_embd": 4, "n_layer": 1, "n_head": 2, "n_inner": 3, "vocab_size": 8})"},
      {test::f32_tensor("wte.weight", {8, 4}, Values(32, 1)),
       test::f32_tensor("h.0.mlp.c_fc.weight", {4, 3}, kFirst.down),
       test::f32_tensor("h.0.mlp.c_fc.bias", {3}, Values(3, 99)),
       test::f32_tensor("h.0.mlp.c_proj.weight", {3, 4}, kSecond.up)});
  expect_near(model.norms(NormOf::kUp, 0), {2, 9, 10});
  expect_near(model.norms(NormOf::kDown, 0), {13, 17, 1});
  expect_near(model.product(0), {std::log(26.0), std::log(153.0), std::log(10.0)});
  model.expect_no_gate();
}

TEST(NormScorer, FindsGateAndUpInOneTensor) {
  Values stacked = kSecond.gate;
  stacked.insert(stacked.end(), kSecond.up.begin(), kSecond.up.end());
  const SmallModel model({R"({"model_type": "phi3", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
                              "intermediate_size": 3, "vocab_size": 8})"},
                         {test::f32_tensor("model.embed_tokens.weight", {8, 4}, Values(32, 1)),
                          test::f32_tensor("model.layers.0.mlp.gate_up_proj.weight", {6, 4}, stacked),
                          test::f32_tensor("model.layers.0.mlp.down_proj.weight", {4, 3}, kSecond.down)});
  expect_near(model.norms(NormOf::kGate, 0), {1, 2, 4});
  expect_near(model.norms(NormOf::kUp, 0), {13, 17, 1});
  expect_near(model.product(0), {std::log(65.0), std::log(34.0), std::log(128.0)});
}

}  // namespace
}  // namespace prunenet
