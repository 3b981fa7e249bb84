// What is cut out of the files is what leaving it out of the forward pass leaves: KV groups, whole layers, padding, the
// DeciLM layout, new values. For every family whose config can state it; for the others the refusal.
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "base/progress.h"
#include "golden_model.h"
#include "model/encode.h"
#include "model/mask.h"
#include "model/weights.h"
#include "slice/slice.h"
#include "support/tiny_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

using Json = nlohmann::json;

// The weights of a checkpoint, where what some units of a group add to the residual stream is set to zero.
class SilencedWeights final : public WeightSource {
 public:
  SilencedWeights(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask)
      : weights_(checkpoint, at::kCPU), model_(model), mask_(mask) {}

  at::Tensor get(const std::string& name, at::ScalarType type) override {
    at::Tensor tensor = weights_.get(name, type).clone();
    for (size_t layer = 0; layer < model_.layers.size(); ++layer) {
      const LayerDescription& dims = model_.layers[layer];
      silence(tensor, name, dims.ffn.down, dims.ffn.neurons, mask_.kept[layer]);
      if (!mask_.kept_kv_groups.empty())
        silence(tensor, name, dims.attention.output, dims.attention.kv_groups, mask_.kept_kv_groups[layer]);
    }
    return tensor;
  }
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override { return weights_.rows(name, ids); }
  void release(const std::string&) override {}

 private:
  // Columns of the matrix that reads the units: the others are left alone, so that a wrong row shows.
  static void silence(at::Tensor& tensor, const std::string& name, const MatrixRef& reader, const CoupledGroup& group,
                      const std::vector<int64_t>& kept) {
    if (name != reader.tensor) return;
    const int axis = reader.transposed ? 0 : 1;
    const int64_t share = tensor.size(axis) / group.width;  // columns of a unit
    at::Tensor factor = at::zeros({group.width, share});
    for (int64_t unit : kept) factor[unit].fill_(1);
    tensor.mul_(axis == 0 ? factor.view({-1, 1}) : factor.view({1, -1}));
  }

  CheckpointWeights weights_;
  const ModelDescription& model_;
  const Mask& mask_;
};

std::vector<float> forward(const TransformerDescription& description, WeightSource& weights,
                           const std::vector<TokenId>& ids) {
  Transformer transformer(description, weights, at::kCPU, {});
  const at::NoGradGuard no_grad;
  Chunk chunk{at::tensor(ids, at::kInt).to(at::kLong), {{1, static_cast<int64_t>(ids.size()), nullptr}}};
  const at::Tensor logits = transformer.logits(transformer.hidden({chunk}).front()).contiguous();
  return {logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel()};
}

std::vector<float> logits_of(RunningModel& model, const std::vector<TokenId>& ids) {
  const std::vector<std::vector<TokenId>> sequences{ids};
  return model.engine.logits(sequences).values;
}

void write(const RunningModel& whole, const ModelDescription& model, const Edits& edits,
           const std::filesystem::path& target) {
  SilentProgress silent;
  write_slice(whole.checkpoint, plan_slice(whole.checkpoint, model, edits), target, {}, silent);
}

// Another number of neurons in every layer; or, with `even`, the same number of other ones.
Mask some_neurons(const ModelDescription& model, bool even = false) {
  Mask mask;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const auto l = static_cast<int64_t>(layer);
    mask.kept.emplace_back();
    for (int64_t i = 0; i < model.layers[layer].ffn.neurons.width; ++i) {
      if (even ? i % 4 != l % 4 : (i * 7 + l) % (4 + l) != 0) mask.kept.back().push_back(i);
    }
  }
  return mask;
}

class EditsGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    PRUNENET_REQUIRE_SHARED_DATA(data);
    folder = data / "golden" / GetParam();
    ids = read_golden(folder).ids;
  }
  std::filesystem::path folder;
  std::vector<TokenId> ids;
  const TemporaryFolder temporary;
};

// The groups hold in every layout of the attention tensors, also where no stock config could state the result: our own
// reader takes head_dim of any family.
TEST_P(EditsGolden, CuttingKvGroupsEqualsSilencingThem) {
  RunningModel whole(folder);
  ModelDescription model = whole.model;
  const int64_t groups = model.layers[0].kv_heads;
  const bool alibi = describe_transformer(whole.checkpoint, model).alibi;  // the slopes follow from the number of heads
  if (groups == 1 || alibi) {
    EXPECT_FALSE(model.keys.heads_fixed.empty());
    return;
  }
  if (!model.keys.heads_fixed.empty()) {
    const Json config = Json::parse(whole.checkpoint.config_text());
    model.keys.heads_fixed.clear();
    model.keys.heads = config.contains("n_head") ? "n_head" : "num_attention_heads";
    model.keys.kv_heads = "num_key_value_heads";
    model.keys.head_dim = "head_dim";
  }
  for (const bool alike : {true, false}) {
    SCOPED_TRACE(alike ? "as many in every layer" : "another number in every layer");
    Edits edits{.mask = some_neurons(model, alike)};
    for (int64_t l = 0; l < 3; ++l) {
      std::vector<int64_t> kept{l % groups};
      if (groups > 2) kept = {l % 2, l % 2 + 2};
      if (!alike && l == 1) kept.assign({0, 1});
      if (!alike && l == 2) kept.assign({groups - 1});
      edits.mask.kept_kv_groups.push_back(kept);
    }
    const auto target = temporary / (alike ? "alike" : "unlike");
    write(whole, model, edits, target);
    RunningModel cut(target);
    EXPECT_EQ(plan_slice(whole.checkpoint, model, edits).uniform, alike);
    for (size_t l = 0; l < 3; ++l) {
      const auto left = static_cast<int64_t>(edits.mask.kept_kv_groups[l].size());
      EXPECT_EQ(cut.model.layers[l].kv_heads, left);
      EXPECT_EQ(cut.model.layers[l].heads, left * model.layers[l].heads / groups);
      EXPECT_EQ(cut.model.layers[l].head_dim, model.layers[l].head_dim);
    }
    SilencedWeights silenced(whole.checkpoint, whole.model, edits.mask);
    const auto expected = forward(describe_transformer(whole.checkpoint, whole.model), silenced, ids);
    EXPECT_LE(largest_difference(logits_of(cut, ids), expected), 1e-5);
    EXPECT_GT(largest_difference(logits_of(whole, ids), expected), 1e-3);
  }
}

TEST_P(EditsGolden, HeadsGoOrAreRefusedByName) {
  const RunningModel whole(folder);
  const std::map<std::string, std::string> refused{{"llama_bf16", "multi-query"}, {"gemma", "multi-query"},
                                                   {"phi", "'phi' cannot state"}, {"opt", "'opt' cannot state"},
                                                   {"gpt_neox", "cannot state"},  {"gpt2", "'gpt2' cannot state"},
                                                   {"falcon7b_mqa", "falcon"},    {"falcon_rw_alibi", "falcon"}};
  Edits edits;
  for (const LayerDescription& layer : whole.model.layers) {
    edits.mask.kept_kv_groups.emplace_back(1, layer.kv_heads - 1);
    if (layer.kv_heads == 1) edits.mask.kept_kv_groups.back().clear();
  }
  if (const auto found = refused.find(GetParam()); found != refused.end()) {
    expect_error(ErrorCode::kUnsupported, {"heads of this '" + whole.model.family, found->second},
                 [&] { plan_slice(whole.checkpoint, whole.model, edits); });
    return;
  }
  const Json before = Json::parse(whole.checkpoint.config_text());
  const Json after = Json::parse(plan_slice(whole.checkpoint, whole.model, edits).config_text);
  EXPECT_EQ(after["num_attention_heads"], before["num_attention_heads"].get<int>() / 2);
  EXPECT_EQ(after["num_key_value_heads"], 1);
  EXPECT_EQ(after["head_dim"], 16);
  EXPECT_EQ(after.size(), before.size() + (before.contains("head_dim") ? 0 : 1));
}

TEST_P(EditsGolden, ADroppedLayerIsOneThatTheForwardPassSkips) {
  RunningModel whole(folder);
  for (const std::vector<int64_t>& dropped :
       {std::vector<int64_t>{1}, std::vector<int64_t>{0}, std::vector<int64_t>{0, 2}}) {
    SCOPED_TRACE(Json(dropped).dump());
    Edits edits;
    edits.mask.dropped_layers = dropped;
    const auto target = temporary / ("without" + Json(dropped).dump());
    write(whole, whole.model, edits, target);
    RunningModel cut(target);
    ASSERT_EQ(cut.model.layers.size(), 3 - dropped.size());
    TransformerDescription description = describe_transformer(whole.checkpoint, whole.model);
    for (auto layer = dropped.rbegin(); layer != dropped.rend(); ++layer)
      description.blocks.erase(description.blocks.begin() + *layer);
    CheckpointWeights weights(whole.checkpoint, at::kCPU);
    const auto expected = forward(description, weights, ids);
    EXPECT_LE(largest_difference(logits_of(cut, ids), expected), 1e-6);
    EXPECT_GT(largest_difference(logits_of(whole, ids), expected), 1e-3);
  }
}

TEST_P(EditsGolden, ZeroNeuronsChangeNothingAndMakeTheWidthOne) {
  RunningModel whole(folder);
  Edits edits{.mask = some_neurons(whole.model)};
  edits.mask.dropped_layers = {1};
  write(whole, whole.model, edits, temporary / "cut");
  RunningModel cut(temporary / "cut");
  EXPECT_FALSE(cut.model.width_is_uniform());
  edits.layout = SliceLayout::kPadded;
  const auto widest = std::max(edits.mask.kept[0].size(), edits.mask.kept[2].size());
  for (const int64_t asked : {int64_t{0}, whole.model.config_width, whole.model.config_width + 40}) {
    edits.padded_width = asked;
    const auto target = temporary / ("padded" + std::to_string(asked));
    write(whole, whole.model, edits, target);
    RunningModel padded(target);
    EXPECT_TRUE(padded.model.width_is_uniform());
    EXPECT_EQ(padded.model.config_width, asked == 0 ? static_cast<int64_t>(widest) : asked);
    // The zeros are exact, but products of another width sum in another order: 1e-6 of the largest logit.
    const std::vector<float> expected = logits_of(cut, ids);
    const float largest = std::abs(*std::max_element(expected.begin(), expected.end(),
                                                     [](float a, float b) { return std::abs(a) < std::abs(b); }));
    EXPECT_LE(largest_difference(logits_of(padded, ids), expected), 1e-6 * std::max(1.0f, largest));
  }
}

TEST_P(EditsGolden, NewValuesTakeThePlaceOfStoredOnes) {
  // Down and the output projection doubled, cut at the same time: twice what both add to the residual stream.
  RunningModel whole(folder);
  const bool heads = whole.model.keys.heads_fixed.empty();
  Edits edits{.mask = some_neurons(whole.model, true)};
  if (heads) edits.mask.kept_kv_groups.assign(3, {1});
  std::vector<std::vector<std::byte>> kept_alive;
  const auto doubled = [&](const MatrixRef& matrix, const CoupledGroup& group, const std::vector<int64_t>& kept) {
    std::vector<float> values(static_cast<size_t>(matrix.rows * matrix.cols)), left;
    read_matrix<float>(whole.checkpoint, matrix, values);
    const int64_t share = matrix.cols / group.width;
    for (int64_t i = 0; i < matrix.rows; ++i) {
      for (int64_t unit : kept) {
        for (int64_t c = 0; c < share; ++c)
          left.push_back(2 * values[static_cast<size_t>(i * matrix.cols + unit * share + c)]);
      }
    }
    kept_alive.push_back(encode_matrix(whole.checkpoint, matrix, left));
    edits.replaced[matrix.tensor] = kept_alive.back();
  };
  for (size_t l = 0; l < 3; ++l) {
    const LayerDescription& layer = whole.model.layers[l];
    doubled(layer.ffn.down, layer.ffn.neurons, edits.mask.kept[l]);
    if (heads) doubled(layer.attention.output, layer.attention.kv_groups, edits.mask.kept_kv_groups[l]);
  }
  for (const SliceLayout layout : {SliceLayout::kStock, SliceLayout::kPadded}) {
    edits.layout = layout;
    edits.padded_width = layout == SliceLayout::kPadded ? whole.model.config_width : 0;
    const auto target = temporary / (layout == SliceLayout::kPadded ? "padded" : "cut");
    write(whole, whole.model, edits, target);
    RunningModel cut(target);

    class DoubledWeights final : public WeightSource {
     public:
      DoubledWeights(WeightSource& inner, const Edits& edits) : inner_(inner), edits_(edits) {}
      at::Tensor get(const std::string& name, at::ScalarType type) override {
        const at::Tensor tensor = inner_.get(name, type);
        return edits_.replaced.contains(name) ? tensor * 2 : tensor;
      }
      at::Tensor rows(const std::string& name, const at::Tensor& ids) override { return inner_.rows(name, ids); }
      void release(const std::string&) override {}

     private:
      WeightSource& inner_;
      const Edits& edits_;
    };
    SilencedWeights silenced(whole.checkpoint, whole.model, edits.mask);
    DoubledWeights weights(silenced, edits);
    const auto expected = forward(describe_transformer(whole.checkpoint, whole.model), weights, ids);
    EXPECT_LE(largest_difference(logits_of(cut, ids), expected), 2e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, EditsGolden, testing::ValuesIn(kGoldenModels));

TEST(Edits, TheDeciLayoutGivesTheLogitsOfTheAdaptiveFolder) {
  const TemporaryFolder folder;
  tiny_model(7, {.hidden = 16, .width = 768, .layers = 4, .vocab = 32}).write(folder / "whole");
  RunningModel whole(folder / "whole");
  Edits edits;
  for (int64_t width : {256, 768, 512, 256}) {
    edits.mask.kept.emplace_back();
    for (int64_t i = 0; i < width; ++i) edits.mask.kept.back().push_back(768 - width + i);
  }
  edits.mask.dropped_layers = {1};
  edits.mask.kept_kv_groups = {{1}, {}, {0}, {1}};
  write(whole, whole.model, edits, folder / "adaptive");
  edits.layout = SliceLayout::kDeci;
  write(whole, whole.model, edits, folder / "deci");
  RunningModel adaptive(folder / "adaptive"), deci(folder / "deci");
  EXPECT_EQ(deci.model.family, "deci");
  EXPECT_EQ(deci.model.ffn_widths(), (std::vector<int64_t>{256, 512, 256}));
  EXPECT_TRUE(deci.model.width_is_uniform());
  EXPECT_TRUE(deci.model.heads_match_config());
  const std::vector<TokenId> ids{1, 5, 9, 31, 0, 7, 7, 2};
  EXPECT_EQ(largest_difference(logits_of(deci, ids), logits_of(adaptive, ids)), 0);

  // A DeciLM is cut again, and stays one.
  Edits again;
  for (int64_t width : {256, 256, 256}) {
    again.mask.kept.emplace_back();
    for (int64_t i = 0; i < width; ++i) again.mask.kept.back().push_back(i);
  }
  again.mask.dropped_layers = {0};
  write(deci, deci.model, again, folder / "again");
  RunningModel smaller(folder / "again");
  EXPECT_EQ(smaller.model.family, "deci");
  EXPECT_EQ(smaller.model.ffn_widths(), (std::vector<int64_t>{256, 256}));
  EXPECT_TRUE(smaller.model.width_is_uniform());
  SilencedWeights silenced(deci.checkpoint, deci.model, again.mask);
  TransformerDescription description = describe_transformer(deci.checkpoint, deci.model);
  description.blocks.erase(description.blocks.begin());
  EXPECT_LE(largest_difference(logits_of(smaller, ids), forward(description, silenced, ids)), 1e-4);  // logits near 10
}

}  // namespace
