// Shrinking beside the engine: what is measured while it is made is what the written folder does, for every family; the
// probe says the same; and a layer's neurons computed anew stay whole on their way to the file.
#include "calibrate/shrink.h"

#include <cmath>

#include "base/scratch_file.h"
#include "calibrate/collect.h"
#include "calibrate/self_pruner.h"
#include "checkpoint/fingerprint.h"
#include "evaluate/divergence.h"
#include "golden_model.h"
#include "slice/slice.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// Six sequences of uneven length out of the golden ids.
std::vector<std::vector<TokenId>> texts_of(const Golden& golden) {
  std::vector<std::vector<TokenId>> texts;
  for (size_t s = 0; s < 6; ++s) {
    std::vector<TokenId> ids = golden.ids;
    std::rotate(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(s * 3 % ids.size()), ids.end());
    ids.resize(ids.size() - s % 3);
    texts.push_back(std::move(ids));
  }
  return texts;
}

// The model as it was written.
double written_kl(RunningModel& whole, const ChangedModel& changed, const std::vector<std::vector<TokenId>>& texts,
                  const std::filesystem::path& folder) {
  SilentProgress silent;
  Edits edits;
  edits.mask = changed.mask();
  edits.replaced = changed.replaced();
  write_slice(whole.checkpoint, plan_slice(whole.checkpoint, whole.model, edits), folder, {}, silent);
  RunningModel cut(folder);
  return measure_divergence(whole.engine, cut.engine, texts, silent).kl_nats;
}

std::vector<ProbeChange> changes_of(const ModelDescription& model, const ChangedModel& changed) {
  std::vector<ProbeChange> changes;
  for (int64_t layer = 0; layer < static_cast<int64_t>(model.layers.size()); ++layer) {
    if (changed.mask().drops(layer)) {
      changes.push_back({layer, std::nullopt, {}});
      continue;
    }
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      if (auto change = changed.change(layer, site)) changes.push_back({layer, site, std::move(*change)});
    }
  }
  return changes;
}

// Both are sums of f32 logits' differences, taken in another order.
void expect_same_kl(double found, double expected, const char* what) {
  EXPECT_NEAR(found, expected, 1e-7 + 1e-5 * expected) << what;
}

class Shrinking : public testing::TestWithParam<std::string> {
 protected:
  // The whole plan: neurons, heads where the family can, a layer where it can.
  static ShrinkPlan plan_of(const ModelDescription& model) {
    ShrinkPlan plan;
    for (const LayerDescription& layer : model.layers) plan.widths.push_back(layer.ffn.neurons.width * 2 / 3);
    if (model.keys.heads_fixed.empty() && model.layers.front().attention.kv_groups.width > 1) {
      for (const LayerDescription& layer : model.layers) plan.kv_groups.push_back(layer.attention.kv_groups.width - 1);
    }
    if (model.keys.layers_fixed.empty()) plan.dropped_layers = {1};
    return plan;
  }
};

TEST_P(Shrinking, WhatIsMeasuredIsWhatIsWritten) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder);
  const auto texts = texts_of(read_golden(folder));
  const TemporaryFolder temporary;
  ScratchFile scratch(temporary.path());
  SilentProgress silent;
  Sensitivities sensitivities(scratch);
  const auto layers = static_cast<int64_t>(whole.model.layers.size());
  sensitivities.measure(whole.engine, texts, layers, silent);
  const ShrinkPlan plan = plan_of(whole.model);
  const auto source = following_source(whole.engine, texts, 0.5);
  ChangedModel changed(whole.checkpoint, whole.model, scratch);
  ShrinkOptions options;
  options.neuron_steps = 1;
  const ShrinkOutcome outcome =
      shrink(whole.checkpoint, whole.model, plan, options, *source, sensitivities, changed, silent);

  EXPECT_EQ(changed.mask().dropped_layers, plan.dropped_layers);
  for (const SiteOutcome& site : outcome.sites) {
    SCOPED_TRACE(fmt::format("layer {}, {}", site.layer, site_name(site.site)));
    EXPECT_EQ(site.units_after, site.site == Site::kFfn  ? plan.widths[static_cast<size_t>(site.layer)]
                                : plan.kv_groups.empty() ? site.units_before
                                                         : site.units_before - 1);
    EXPECT_EQ(static_cast<int64_t>(changed.kept_inputs(site.layer, Site::kFfn).size()),
              plan.widths[static_cast<size_t>(site.layer)]);
    EXPECT_LE(site.error_refitted, site.error_before * (1 + 1e-6));
    if (site.site == Site::kFfn) {
      EXPECT_EQ(site.neuron_steps, 1);
    }
  }
  ASSERT_TRUE(outcome.kl_on_own);
  const double expected = written_kl(whole, changed, texts, temporary / "cut");
  EXPECT_GT(expected, 1e-6);
  expect_same_kl(*outcome.kl_on_own, expected, "while it was made");
  expect_same_kl(measure_changed(whole.engine, whole.model, changed, texts), expected, "measured again");
  expect_same_kl(whole.engine.open_probe(texts)->mean_kl(changes_of(whole.model, changed)), expected, "by the probe");
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Shrinking, testing::ValuesIn(kGoldenModels));

// Gate and up apart, in bf16; in one tensor; Conv1D with biases.
class ShrinkingLayouts : public Shrinking {};
INSTANTIATE_TEST_SUITE_P(Some, ShrinkingLayouts, testing::Values("llama_bf16", "phi3", "gpt2"));

// The refit fits what it is shown: over many more tokens than inputs it costs less than the plain cut of the same
// choice.
TEST_P(ShrinkingLayouts, RefittingCostsLessThanCutting) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder);
  const auto texts = texts_of(read_golden(folder));
  const TemporaryFolder temporary;
  ScratchFile scratch(temporary.path());
  SilentProgress silent;
  const Sensitivities none(scratch);
  ShrinkPlan plan;
  for (const LayerDescription& layer : whole.model.layers) plan.widths.push_back(layer.ffn.neurons.width / 2);
  const auto kl_of = [&](bool refit, int64_t steps) {
    ShrinkOptions options;
    options.refit = refit;
    options.refit_attention = false;
    options.neuron_steps = steps;
    const auto source = following_source(whole.engine, texts, 0);
    ScratchFile parts(temporary.path());
    ChangedModel changed(whole.checkpoint, whole.model, parts);
    return *shrink(whole.checkpoint, whole.model, plan, options, *source, none, changed, silent).kl_on_own;
  };
  const double cut = kl_of(false, 0), down = kl_of(true, 0), neurons = kl_of(true, 1);
  EXPECT_LT(down, cut);
  EXPECT_LT(neurons, down);
}

TEST_P(ShrinkingLayouts, MomentsFromAFolderChooseAsThoseOfTheEngine) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder);
  const TemporaryFolder temporary;
  ScratchFile scratch(temporary.path());
  SilentProgress silent;
  SelfOptions options;
  options.calibration = Calibration::kGivenText;
  options.given = texts_of(read_golden(folder));
  options.refit = RefitMode::kOneShot;
  options.neuron_steps = 0;
  SelfPruner direct(whole.checkpoint, whole.model, &whole.engine, options, scratch, silent);
  collect_moments(direct, temporary / "moments");
  const MomentsReader reader(temporary / "moments");
  reader.require(model_fingerprint(whole.checkpoint), maps_of(whole.model, true));
  EXPECT_EQ(reader.manifest().sequences, options.given);
  SelfOptions stored = options;
  stored.calibration = Calibration::kStoredMoments;
  stored.given.clear();
  stored.stored = &reader;
  ScratchFile other(temporary.path());
  SelfPruner again(whole.checkpoint, whole.model, nullptr, stored, other, silent);
  ShrinkPlan plan = plan_of(whole.model);
  plan.dropped_layers.clear();
  ChangedModel one(whole.checkpoint, whole.model, scratch), two(whole.checkpoint, whole.model, other);
  direct.shrink(plan, one);
  again.shrink(plan, two);
  EXPECT_EQ(one.mask().kept, two.mask().kept);
  EXPECT_EQ(one.mask().kept_kv_groups, two.mask().kept_kv_groups);
  ASSERT_EQ(one.replaced().size(), two.replaced().size());
  EXPECT_FALSE(one.replaced().empty());
  for (const auto& [name, bytes] : one.replaced()) {
    const auto again_bytes = two.replaced().at(name);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), again_bytes.begin(), again_bytes.end())) << name;
  }
}

TEST(ShrinkingOrder, LeavesAloneWhatIsNeitherCutNorAfterACut) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / "llama";
  RunningModel whole(folder);
  const auto texts = texts_of(read_golden(folder));
  const TemporaryFolder temporary;
  ScratchFile scratch(temporary.path());
  SilentProgress silent;
  const Sensitivities none(scratch);
  ShrinkPlan plan;
  for (const LayerDescription& layer : whole.model.layers) plan.widths.push_back(layer.ffn.neurons.width);
  plan.widths[1] = 100;
  const auto run = [&](MomentSource& source, bool refit, bool refit_attention) {
    ShrinkOptions options;
    options.neuron_steps = 0;
    options.refit = refit;
    options.refit_attention = refit_attention;
    ScratchFile parts(temporary.path());
    ChangedModel changed(whole.checkpoint, whole.model, parts);
    std::vector<std::string> sites;
    for (const SiteOutcome& site :
         shrink(whole.checkpoint, whole.model, plan, options, source, none, changed, silent).sites)
      sites.push_back(std::to_string(site.layer) + site_name(site.site));
    return sites;
  };
  const std::vector<std::string> cut{"1FFN"}, repaired{"1FFN", "2attention", "2FFN"}, ffns{"1FFN", "2FFN"};
  EXPECT_EQ(run(*dense_source(whole.engine, texts), true, true), cut);
  EXPECT_EQ(run(*following_source(whole.engine, texts, 0.5), true, true), repaired);
  EXPECT_EQ(run(*following_source(whole.engine, texts, 0.5), true, false), ffns);
  EXPECT_EQ(run(*following_source(whole.engine, texts, 0.5), false, true), cut);
}

TEST(ShrinkingThreads, ChangeNoByte) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  const auto run = [&](int threads) {
    EngineOptions engine;
    engine.threads = threads;
    RunningModel whole(folder, engine);
    const TemporaryFolder temporary;
    ScratchFile scratch(temporary.path());
    SilentProgress silent;
    SelfOptions options;
    options.sequences = 4;
    options.tokens = 40;
    options.neuron_steps = 1;
    options.neuron_iterations = 5;
    SelfPruner pruner(whole.checkpoint, whole.model, &whole.engine, options, scratch, silent);
    ShrinkPlan plan;
    for (const LayerDescription& layer : whole.model.layers) plan.widths.push_back(layer.ffn.neurons.width * 2 / 3);
    ChangedModel changed(whole.checkpoint, whole.model, scratch);
    const double kl = *pruner.shrink(plan, changed).kl_on_own;
    std::map<std::string, std::string> bytes;
    for (const auto& [name, part] : changed.replaced())
      bytes[name].assign(reinterpret_cast<const char*>(part.data()), part.size());
    return std::tuple(changed.mask().kept, bytes, kl);
  };
  EXPECT_EQ(run(1), run(2));
}

// A text to judge by is never one that was fitted to, whatever the seeds: sequences have numbers of their own.
TEST(SelfPruner, FreshTextIsOfOtherSequencesThanTheTextFitted) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  RunningModel whole(data / "models" / "stories260K");
  const TemporaryFolder temporary;
  SilentProgress silent;
  std::set<std::vector<TokenId>> fitted, fresh;
  for (const uint64_t seed : {0, 1, 42}) {
    ScratchFile scratch(temporary.path());
    SelfOptions options;
    options.sequences = 8;
    options.tokens = 40;
    options.seed = seed;
    SelfPruner pruner(whole.checkpoint, whole.model, &whole.engine, options, scratch, silent);
    for (const auto& ids : pruner.text()) fitted.insert(ids);
    OwnTextOptions own;  // as compare asks for it
    own.sequences = 8;
    own.tokens = kFreshTokens;  // whatever the length of what is fitted
    own.seed = seed;
    EXPECT_EQ(pruner.fresh_text(8), sample_own_text(whole.engine, whole.model, own, silent));
    for (const auto& ids : pruner.fresh_text(8)) fresh.emplace(ids.begin(), ids.begin() + 40);
  }
  EXPECT_EQ(fitted.size(), 24U);
  EXPECT_EQ(fresh.size(), 24U);
  for (const auto& ids : fresh) EXPECT_FALSE(fitted.contains(ids));
}

}  // namespace
