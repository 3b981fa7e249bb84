// How much each layer loses, and which layers go: against costs that are known.
#include "calibrate/allocation.h"

#include <cmath>
#include <numeric>

#include "fixtures.h"
#include "slice/slice.h"
#include "slice/tiny_gguf.h"

namespace prunenet {
namespace {

using test::OpenedModel;

// Layers cost what `cost` says, and together more: 2 and 3 hold each other up.
class KnownCosts final : public KlProbe {
 public:
  std::vector<float> kl(std::span<const ProbeChange> changes) override {
    ++calls;
    double sum = 0;
    bool two = false, three = false;
    for (const ProbeChange& change : changes) {
      EXPECT_FALSE(change.site);
      sum += cost[static_cast<size_t>(change.layer)];
      two |= change.layer == 2;
      three |= change.layer == 3;
    }
    if (two && three) sum += 10;
    return {static_cast<float>(sum), static_cast<float>(sum)};
  }
  std::vector<double> cost{5, 1, 0.25, 0.5, 2};
  int calls = 0;
};

TEST(DroppedLayers, AreThoseThatCostLeastWithTheOthersGone) {
  KnownCosts probe;
  SilentProgress silent;
  const test::TemporaryFolder folder;
  ScratchFile store(folder.path());
  EXPECT_TRUE(choose_dropped_layers(probe, 5, 0, store, silent).empty());
  EXPECT_EQ(probe.calls, 0);
  const auto dropped = choose_dropped_layers(probe, 5, 3, store, silent);
  ASSERT_EQ(dropped.size(), 3U);
  EXPECT_EQ(dropped[0].layer, 2);
  EXPECT_EQ(dropped[1].layer, 1) << "3 alone costs less, but not without 2";
  EXPECT_EQ(dropped[2].layer, 4);
  EXPECT_DOUBLE_EQ(dropped[0].kl, 0.25);
  EXPECT_DOUBLE_EQ(dropped[1].kl, 1.25);
  EXPECT_DOUBLE_EQ(dropped[2].kl, 3.25);
  EXPECT_EQ(probe.calls, 5 + 4 + 3);

  // A run that goes on measures what is missing and nothing else.
  store.remove("drop/1/4");
  const auto again = choose_dropped_layers(probe, 5, 3, store, silent);
  EXPECT_EQ(probe.calls, 5 + 4 + 3 + 1);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again[i].layer, dropped[i].layer);
    EXPECT_EQ(again[i].kl, dropped[i].kl);
  }
}

TEST(DroppedLayers, OfEqualCostTheFirstGoes) {
  KnownCosts probe;
  probe.cost = {1, 1, 1, 1, 1};
  SilentProgress silent;
  const test::TemporaryFolder folder;
  ScratchFile store(folder.path());
  EXPECT_EQ(choose_dropped_layers(probe, 5, 1, store, silent)[0].layer, 0);
}

TEST(LayerCosts, AreThoseOfEachLayersChangesAlone) {
  const test::TemporaryFolder folder;
  test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 4}).write(folder / "model");
  OpenedModel open(folder / "model");
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  changed.keep_neurons(1, {0, 1});
  changed.keep_kv_groups(1, {0});
  changed.drop_layer(3);
  class Recorder final : public KlProbe {
   public:
    std::vector<float> kl(std::span<const ProbeChange> changes) override {
      for (const ProbeChange& change : changes) seen.emplace_back(change.layer, change.site);
      return {static_cast<float>(changes.size())};
    }
    std::vector<std::pair<int64_t, std::optional<Site>>> seen;
  } probe;
  EXPECT_EQ(kl_of_layers(probe, open.model, changed, open.new_store(), open.silent), (std::vector<double>{0, 2, 0, 1}));
  const decltype(probe.seen) expected{{1, Site::kAttention}, {1, Site::kFfn}, {3, std::nullopt}};
  EXPECT_EQ(probe.seen, expected);
}

class AdaptiveTest : public testing::Test {
 protected:
  // Layer 1's down is small: it adds little, in absolute terms; as a share of itself it is as the others.
  AdaptiveTest() {
    auto made = test::tiny_model(1, {.hidden = 16, .width = 32, .layers = 3});
    // Half of layer 2's neurons do nothing.
    for (size_t i = 0; i < 32; i += 2) {
      for (size_t j = 0; j < 16; ++j) made.set(test::tiny_ffn_tensor(2, "up"), i * 16 + j, 0);
    }
    made.write(folder / "model");
    open.emplace(folder / "model");
    pruning.calibration = Calibration::kGaussian;
    pruning.refit = RefitMode::kOneShot;
    pruning.gaussian_tokens = 2000;
    begin_anew();
  }
  void begin_anew() {
    pruner.emplace(open->checkpoint, open->model, nullptr, pruning, open->new_store(), open->silent);
  }
  const test::TemporaryFolder folder;
  std::optional<OpenedModel> open;
  SelfOptions pruning;
  std::optional<SelfPruner> pruner;
};

TEST_F(AdaptiveTest, TakesFromTheLayerThatHasNeuronsToSpare) {
  for (const BudgetUnit unit : {BudgetUnit::kParams, BudgetUnit::kBytes, BudgetUnit::kFlops}) {
    AdaptiveOptions options;
    options.curves = CurveKind::kError;
    options.unit = unit;
    options.width_multiple = 4;
    begin_anew();
    const AdaptiveWidths adaptive = adaptive_widths(*pruner, {24, 24, 24}, options);
    ASSERT_EQ(adaptive.widths.size(), 3U);
    EXPECT_LE(std::accumulate(adaptive.widths.begin(), adaptive.widths.end(), int64_t{0}), 72);
    for (const int64_t width : adaptive.widths) EXPECT_EQ(width % 4, 0);
    EXPECT_EQ(adaptive.widths[2], 16);
    EXPECT_LT(adaptive.cost, adaptive.uniform_cost);
    EXPECT_TRUE(adaptive.exact);
    // The knapsack's promise, by every other way to spend the budget.
    double best = adaptive.cost + 1;
    const auto& curves = adaptive.curves;
    for (int64_t a = 1; a <= 8; ++a) {
      for (int64_t b = 1; b <= 8; ++b) {
        for (int64_t c = 1; c <= 8 && a + b + c <= 18; ++c) {
          double cost = 0;
          const int64_t units[] = {a, b, c};
          for (size_t l = 0; l < 3; ++l) cost += curves[l].cost[static_cast<size_t>(units[l] - curves[l].min_units)];
          best = std::min(best, cost);
        }
      }
    }
    EXPECT_NEAR(adaptive.cost, best, 1e-12 + 1e-9 * best);

    // What was measured is not measured again, and a curve that cannot be this layer's is none.
    pruner->store().put("curve/0", pruner->store().find("curve/1")->first(24));
    pruner->store().remove("curve/2");
    const AdaptiveWidths again = adaptive_widths(*pruner, {24, 24, 24}, options);
    EXPECT_EQ(again.widths, adaptive.widths);
    EXPECT_EQ(again.cost, adaptive.cost);
    for (size_t l = 0; l < 3; ++l) EXPECT_EQ(again.curves[l].cost, adaptive.curves[l].cost);
  }
}

TEST(AdaptiveGguf, BytesAreThoseOfTheTypesThatAreWritten) {
  const test::TemporaryFolder folder;
  test::TinyGguf made = test::tiny_gguf(Dtype::kQ4K);
  std::mt19937 random(1);
  test::TestTensor& down = made.tensor(test::blk(0, "ffn_down"));  // of a type of its own
  down.spec.dtype = Dtype::kF32;
  down.bytes = test::random_bytes(Dtype::kF32, 256 * 768, random);
  made.write(folder / "in.gguf");
  OpenedModel open(folder / "in.gguf");
  SelfOptions pruning;
  pruning.calibration = Calibration::kGaussian;
  pruning.refit = RefitMode::kOneShot;
  pruning.gaussian_tokens = 500;
  SelfPruner pruner(open.checkpoint, open.model, nullptr, pruning, open.new_store(), open.silent);
  AdaptiveOptions options;
  options.curves = CurveKind::kError;
  options.unit = BudgetUnit::kBytes;
  options.width_multiple = 32;
  const std::vector<int64_t> uniform{512, 512, 512};
  const std::vector<int64_t> widths = adaptive_widths(pruner, uniform, options).widths;
  EXPECT_NE(widths, uniform);
  const auto ffn_bytes = [&](const std::vector<int64_t>& of) {
    ShrinkPlan plan;
    plan.widths = of;
    uint64_t sum = 0;
    for (const TensorSpec& spec :
         plan_slice(open.checkpoint, open.model, {.mask = mask_of_sizes(open.model, plan)}).tensors)
      sum += spec.name.find("ffn_") != std::string::npos ? spec.size_bytes() : 0;
    return sum;
  };
  EXPECT_LE(ffn_bytes(widths), ffn_bytes(uniform));
  EXPECT_GT(ffn_bytes(widths), ffn_bytes(uniform) - 32 * 256 * 6) << "no more than a unit of 32 is left over";
}

TEST_F(AdaptiveTest, CurvesFallWithEveryNeuronThatStays) {
  AdaptiveOptions options;
  options.curves = CurveKind::kError;
  for (const LayerCurve& curve : adaptive_widths(*pruner, {20, 20, 20}, options).curves) {
    EXPECT_EQ(curve.min_units, 1);
    EXPECT_EQ(curve.max_units(), 32);
    EXPECT_EQ(curve.cost.back(), 0);
    EXPECT_LE(curve.cost.front(), 1 + 1e-6) << "a share of what the layer adds";
    for (size_t i = 1; i < curve.cost.size(); ++i) EXPECT_LE(curve.cost[i], curve.cost[i - 1] + 1e-12);
  }
}

TEST_F(AdaptiveTest, MeasuredCurvesNeedAnEngine) {
  test::expect_error(ErrorCode::kBadOption, {"run the model"}, [&] { adaptive_widths(*pruner, {20, 20, 20}, {}); });
}

TEST_F(AdaptiveTest, AMultipleThatDoesNotDivideTheWidthIsRefused) {
  AdaptiveOptions options;
  options.curves = CurveKind::kError;
  options.width_multiple = 12;
  test::expect_error(ErrorCode::kBadOption, {"--width-multiple", "12", "32", "layer 0"}, [&] {
    adaptive_widths(*pruner, {24, 24, 24}, options);
  });
}

}  // namespace
}  // namespace prunenet
