// What a transformer expects to be read next: the layer after the present one, each time where it streams, once where
// weights are used in place; and while it is loaded what is converted.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>
#include <utility>

#include "golden_model.h"
#include "runtime/layer_weights.h"
#include "support/tiny_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

using Names = std::vector<std::string>;

// Notes what is expected and what is released.
class NotedWeights final : public WeightSource {
 public:
  NotedWeights(const Checkpoint& checkpoint, bool forgets) : weights_(checkpoint, at::kCPU), forgets_(forgets) {}
  at::Tensor get(const std::string& name, at::ScalarType type) override {
    fetched_.push_back(name);
    return weights_.get(name, type);
  }
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override { return weights_.rows(name, ids); }
  void release(const std::string& name) override { released_.push_back(name); }
  bool in_place(const std::string& name, at::ScalarType type) const override { return weights_.in_place(name, type); }
  bool forgets() const override { return forgets_; }
  void expect(std::span<const std::string> names) override {
    expected_.emplace_back(names.begin(), names.end());
    if (std::find(fetched_.begin(), fetched_.end(), names.front()) != fetched_.end()) ++late_;
    weights_.expect(names);
  }

  std::vector<Names> take_expected() { return std::exchange(expected_, {}); }
  Names take_released() { return std::exchange(released_, {}); }
  void forget_fetched() { fetched_.clear(); }
  int late() const { return late_; }  // expectations of what had been fetched already

 private:
  CheckpointWeights weights_;
  bool forgets_;
  std::vector<Names> expected_;
  Names fetched_, released_;
  int late_ = 0;
};

Names layer_names(int64_t layer) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  Names names;
  for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
    names.push_back(prefix + part + ".weight");
  return names;
}

Names joined(const std::vector<Names>& lists) {
  Names all;
  for (const Names& names : lists) all.insert(all.end(), names.begin(), names.end());
  return all;
}

const Names kHead{"lm_head.weight"};

// Three layers, stored in f32.
class ExpectedWeights : public testing::Test {
 protected:
  void SetUp() override { tiny_model(1, {.layers = 3}).write(folder_ / "model"); }

  // The expectations of the first and of a second pass over the same ids.
  struct Passes {
    std::vector<Names> loading, first, second;
  };
  Passes run(Transformer::Options options, bool cached, bool forgets = false) {
    const Checkpoint checkpoint(folder_ / "model");
    const ModelDescription model = describe_model(checkpoint);
    const TransformerDescription description = describe_transformer(checkpoint, model);
    NotedWeights weights(checkpoint, forgets);
    Transformer transformer(description, weights, at::kCPU, options);
    const at::NoGradGuard no_grad;
    const auto pass = [&] {
      weights.forget_fetched();
      KvCache cache = transformer.make_cache(1, 4);
      Chunk chunk{at::tensor({1, 5, 3}, at::kInt).to(at::kLong), {{1, 3, cached ? &cache : nullptr}}};
      transformer.logits(transformer.hidden({chunk}).front());
      return weights.take_expected();
    };
    Passes passes;
    passes.loading = weights.take_expected();
    passes.first = pass();
    released_ = weights.take_released();
    passes.second = pass();
    EXPECT_EQ(weights.late(), 0);
    return passes;
  }

  TemporaryFolder folder_;
  Names released_;
};

TEST_F(ExpectedWeights, StreamingReadsOneLayerAheadEachTime) {
  const Passes passes = run({at::kBFloat16, true, nullptr}, false);
  const std::vector<Names> expected{joined({layer_names(0), layer_names(1)}), joined({layer_names(1), layer_names(2)}),
                                    joined({layer_names(2), kHead})};
  EXPECT_EQ(passes.loading, std::vector<Names>{});
  EXPECT_EQ(passes.first, expected);
  EXPECT_EQ(passes.second, expected);
  const std::set<std::string> released(released_.begin(), released_.end());
  for (const std::string& name : joined({layer_names(0), layer_names(1), layer_names(2), kHead}))
    EXPECT_TRUE(released.contains(name)) << name;
}

TEST_F(ExpectedWeights, TheFirstLayerFollowsTheHeadWhereTextGoesOn) {
  const Passes passes = run({at::kFloat, true, nullptr}, true);
  ASSERT_EQ(passes.first.size(), 3u);
  EXPECT_EQ(passes.first.back(), joined({layer_names(2), kHead, layer_names(0)}));
}

TEST_F(ExpectedWeights, WhatIsUsedInPlaceIsReadOnce) {
  const Passes passes = run({at::kFloat, false, nullptr}, false);
  EXPECT_EQ(passes.loading, std::vector<Names>{});
  const std::vector<Names> expected{joined({layer_names(0), layer_names(1)}), joined({layer_names(1), layer_names(2)}),
                                    joined({layer_names(2), kHead})};
  EXPECT_EQ(passes.first, expected);
  EXPECT_EQ(passes.second, std::vector<Names>{});
  EXPECT_EQ(released_, Names{});
}

TEST_F(ExpectedWeights, WhatIsUsedInPlaceIsReadEachTimeWhereItIsMoreThanMemoryHolds) {
  const Passes passes = run({at::kFloat, false, nullptr}, false, true);
  ASSERT_EQ(passes.first.size(), 3u);
  EXPECT_EQ(passes.second, passes.first);
}

TEST_F(ExpectedWeights, WhatIsConvertedIsReadWhileItIsLoaded) {
  const Passes passes = run({at::kBFloat16, false, nullptr}, false);
  const std::vector<Names> expected{joined({layer_names(0), layer_names(1)}), joined({layer_names(1), layer_names(2)}),
                                    joined({layer_names(2), kHead})};
  EXPECT_EQ(passes.loading, expected);
  EXPECT_EQ(passes.first, std::vector<Names>{});
  EXPECT_EQ(passes.second, std::vector<Names>{});
}

}  // namespace
