// Where moments come from when no model is run: Gaussian inputs and folders of an earlier run; shrinking by them, for
// every family; and the energy that the gaussian method chooses by.
#include "calibrate/moment_source.h"

#include <cmath>
#include <numbers>

#include "calibrate/collect.h"
#include "calibrate/energy_scorer.h"
#include "calibrate/self_pruner.h"
#include "checkpoint/fingerprint.h"
#include "fixtures.h"
#include "slice/slice.h"

namespace prunenet {
namespace {

using test::OpenedModel;
using test::replaced_bytes;
using test::two_thirds;

SelfOptions gaussian_options(RefitMode refit = RefitMode::kOneShot) {
  SelfOptions options;
  options.calibration = Calibration::kGaussian;
  options.refit = refit;
  options.gaussian_tokens = 1000;
  return options;
}

class WithoutAModelRun : public testing::TestWithParam<std::string> {};

TEST_P(WithoutAModelRun, GaussianInputsAndTheirFolderShrinkAlike) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  OpenedModel open(data / "golden" / GetParam());
  SelfPruner gaussian(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  const ShrinkPlan plan = two_thirds(open.model);
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  const ShrinkOutcome outcome = gaussian.shrink(plan, changed);
  EXPECT_FALSE(outcome.kl_on_own);
  ASSERT_EQ(outcome.sites.size(), open.model.layers.size());
  for (const SiteOutcome& site : outcome.sites) {
    EXPECT_EQ(site.site, Site::kFfn);
    EXPECT_EQ(site.units_before, open.model.layers[0].ffn.neurons.width);
    EXPECT_EQ(site.units_after, plan.widths[0]);
    EXPECT_EQ(site.tokens, 1000);
    EXPECT_GT(site.damping, 0);
    EXPECT_GT(site.error_before, site.error_after);
    EXPECT_GT(site.error_after, 0);
    EXPECT_LE(site.error_after, site.target_energy);
    EXPECT_EQ(site.neuron_steps, 0) << "no model is run";
  }
  const auto bytes = replaced_bytes(changed);
  for (int64_t layer = 0; layer < open.layers(); ++layer) {
    EXPECT_EQ(changed.mask().kept[static_cast<size_t>(layer)].size(), static_cast<size_t>(plan.widths[0]));
    EXPECT_TRUE(bytes.contains(site_ref(open.model, layer, Site::kFfn).weight->tensor));
  }

  const test::TemporaryFolder folder;
  collect_moments(gaussian, folder / "moments");
  const MomentsReader reader(folder / "moments");
  reader.require(model_fingerprint(open.checkpoint), maps_of(open.model, false));
  test::expect_error(ErrorCode::kMismatch, {"output"},
                     [&] { reader.require(model_fingerprint(open.checkpoint), maps_of(open.model, true)); });
  EXPECT_TRUE(reader.manifest().sequences.empty());
  EXPECT_EQ(reader.manifest().source, "1000 Gaussian inputs, seed 42");
  SelfOptions stored;
  stored.calibration = Calibration::kStoredMoments;
  stored.stored = &reader;
  stored.refit = RefitMode::kOneShot;
  SelfPruner again(open.checkpoint, open.model, nullptr, stored, open.new_store(), open.silent);
  EXPECT_EQ(again.words(), gaussian.words());
  ChangedModel same(open.checkpoint, open.model, open.new_store());
  again.shrink(plan, same);
  EXPECT_EQ(same.mask().kept, changed.mask().kept);
  EXPECT_EQ(replaced_bytes(same), bytes);

  // The file holds, and the model can be described again.
  Edits edits;
  edits.mask = changed.mask();
  edits.replaced = changed.replaced();
  write_slice(open.checkpoint, plan_slice(open.checkpoint, open.model, edits), folder / "cut", {}, open.silent);
  const Checkpoint cut(folder / "cut");
  EXPECT_EQ(describe_model(cut).ffn_widths(), plan.widths);
}

TEST_P(WithoutAModelRun, WithoutARefitWeightsStayAsTheyWere) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  OpenedModel open(data / "golden" / GetParam());
  ChangedModel cut(open.checkpoint, open.model, open.new_store());
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(RefitMode::kNone), open.new_store(),
                    open.silent);
  for (const SiteOutcome& site : pruner.shrink(two_thirds(open.model), cut).sites)
    EXPECT_EQ(site.error_after, site.error_before);
  EXPECT_TRUE(cut.replaced().empty());
  EXPECT_EQ(cut.mask().kept_widths(), two_thirds(open.model).widths);
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, WithoutAModelRun, testing::ValuesIn(test::kGoldenFamilies));

class Sources : public testing::Test {
 protected:
  Sources() { write("model"); }
  void write(const std::string& name) const { made.write(folder / name); }

  const test::TemporaryFolder folder;
  test::TinyModel made = test::tiny_model(1, {.hidden = 16, .width = 24, .layers = 3});
};

TEST_F(Sources, KnowWhatTheyKnow) {
  OpenedModel open(folder / "model");
  const TransformerDescription transformer = describe_transformer(open.checkpoint, open.model);
  const auto gaussian = gaussian_source(open.checkpoint, transformer, {500, 3});
  EXPECT_TRUE(gaussian->knows(Site::kFfn));
  EXPECT_FALSE(gaussian->knows(Site::kAttention));
  EXPECT_FALSE(gaussian->follows());
  EXPECT_FALSE(gaussian->finish());
  EXPECT_FALSE(gaussian->refit_neurons(0, {}, {}));
  const SiteMoments moments = gaussian->moments(1, Site::kFfn);
  EXPECT_EQ(moments.inputs.tokens, 500);
  EXPECT_FALSE(moments.target);
}

TEST_F(Sources, HeadsByGaussianInputsAreRefused) {
  OpenedModel open(folder / "model");
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  ShrinkPlan plan = two_thirds(open.model);
  plan.kv_groups = {1, 1, 1};
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  test::expect_error(ErrorCode::kBadOption, {"layer 0", "attention", "say nothing"},
                     [&] { pruner.shrink(plan, changed); });
}

TEST_F(Sources, AnEngineThatIsNeededIsAskedForFirst) {
  OpenedModel open(folder / "model");
  const auto refused = [&](SelfOptions options, const std::vector<std::string>& fragments) {
    test::expect_error(ErrorCode::kBadOption, fragments,
                       [&] { SelfPruner(open.checkpoint, open.model, nullptr, options, open.new_store(), open.silent); });
  };
  refused({}, {"calibration", "run the model"});
  refused(gaussian_options(RefitMode::kSequential), {"calibration"});
  SelfOptions feedback = gaussian_options();
  feedback.feedback = 1.5;
  refused(feedback, {"feedback", "1.5"});
  feedback.feedback = std::nan("");
  refused(feedback, {"feedback"});
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  EXPECT_TRUE(pruner.text().empty());
  EXPECT_TRUE(pruner.sensitivities().empty());
  test::expect_error(ErrorCode::kBadOption, {"run the model"}, [&] { pruner.fresh_text(1); });
}

TEST_F(Sources, DroppedLayersAreLeftOutAndTheOthersCut) {
  OpenedModel open(folder / "model");
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  ShrinkPlan plan = two_thirds(open.model);
  plan.dropped_layers = {1};
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  const auto outcome = pruner.shrink(plan, changed);
  ASSERT_EQ(outcome.sites.size(), 2U);
  EXPECT_EQ(outcome.sites[1].layer, 2);
  EXPECT_EQ(changed.mask().dropped_layers, (std::vector<int64_t>{1}));
  EXPECT_FALSE(changed.replaced().contains(test::tiny_ffn_tensor(1, "down")));
}

TEST_F(Sources, WholeWidthsChangeNothing) {
  OpenedModel open(folder / "model");
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  EXPECT_TRUE(pruner.shrink({{24, 24, 24}, {}, {}}, changed).sites.empty());
  EXPECT_TRUE(changed.replaced().empty());
}

// Rows and columns of zeros go first and cost nothing; what else is kept does not depend on them.
TEST_F(Sources, DeadNeuronsGoFirst) {
  const std::vector<int64_t> dead{3, 10, 17, 23};
  for (const int64_t neuron : dead) {
    for (size_t j = 0; j < 16; ++j)
      made.set(test::tiny_ffn_tensor(1, neuron % 2 == 0 ? "gate" : "up"), static_cast<size_t>(neuron) * 16 + j, 0);
  }
  write("dead");
  OpenedModel open(folder / "dead");
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  const auto outcome = pruner.shrink({{24, 20, 24}, {}, {}}, changed);
  ASSERT_EQ(outcome.sites.size(), 1U);
  EXPECT_EQ(outcome.sites[0].dead_units, 4);
  EXPECT_LE(outcome.sites[0].error_before, 1e-9 * outcome.sites[0].target_energy);
  for (const int64_t neuron : dead) {
    const auto& kept = changed.mask().kept[1];
    EXPECT_TRUE(std::find(kept.begin(), kept.end(), neuron) == kept.end()) << neuron;
  }
  ChangedModel more(open.checkpoint, open.model, open.new_store());
  pruner.shrink({{24, 22, 24}, {}, {}}, more);  // two dead ones stay
  for (const auto& [name, bytes] : replaced_bytes(more)) {
    std::vector<float> values(bytes.size() / 4);
    std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(values.data()));
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name;
  }
}

// E[h_i^2] |d_i|^2 against draws of another generator: a plain Monte Carlo of the layer's FFN.
TEST_F(Sources, GaussianEnergyIsThatOfAPlainMonteCarlo) {
  OpenedModel open(folder / "model");
  const TransformerDescription transformer = describe_transformer(open.checkpoint, open.model);
  const auto found = gaussian_energy_scorer(open.checkpoint, open.model, transformer, {20000, 5})->scores(2);
  const auto read = [&](const std::string& name) {
    const auto bytes = open.checkpoint.bytes(open.checkpoint.at(name));
    std::vector<float> values(bytes.size() / 4);
    std::copy_n(reinterpret_cast<const char*>(bytes.data()), bytes.size(), reinterpret_cast<char*>(values.data()));
    return values;
  };
  const auto gate = read(test::tiny_ffn_tensor(2, "gate")), up = read(test::tiny_ffn_tensor(2, "up")),
             down = read(test::tiny_ffn_tensor(2, "down")),
             gain = read("model.layers.2.post_attention_layernorm.weight");
  RandomStream stream(99, RandomStage::kBench);
  std::vector<double> energy(24);
  const int draws = 20000;
  for (int n = 0; n < draws; ++n) {
    std::vector<double> z;
    for (const float g : gain) {
      z.push_back(std::sqrt(-2 * std::log(stream.next_open())) * std::cos(2 * std::numbers::pi * stream.next_open()) *
                  static_cast<double>(g));
    }
    for (size_t i = 0; i < 24; ++i) {
      double a = 0, u = 0;
      for (size_t j = 0; j < 16; ++j) {
        a += static_cast<double>(gate[i * 16 + j]) * z[j];
        u += static_cast<double>(up[i * 16 + j]) * z[j];
      }
      const double h = a / (1 + std::exp(-a)) * u;
      energy[i] += h * h / draws;
    }
  }
  for (size_t i = 0; i < 24; ++i) {
    double norm = 0;
    for (size_t d = 0; d < 16; ++d)
      norm += static_cast<double>(down[d * 24 + i]) * static_cast<double>(down[d * 24 + i]);
    // Heavy tails: h^2 is of the fourth order in z.
    EXPECT_NEAR(found[i], std::log(energy[i] * norm), 0.15) << i;
  }
}

TEST_F(Sources, GaussianEnergyOfASilentNeuronIsTheLeast) {
  for (size_t j = 0; j < 16; ++j) made.set(test::tiny_ffn_tensor(0, "up"), 5 * 16 + j, 0);
  for (size_t d = 0; d < 16; ++d) made.set(test::tiny_ffn_tensor(0, "down"), d * 24 + 9, 0);
  write("silent");
  OpenedModel open(folder / "silent");
  const TransformerDescription transformer = describe_transformer(open.checkpoint, open.model);
  const auto scores = gaussian_energy_scorer(open.checkpoint, open.model, transformer, {500, 5})->scores(0);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (i == 5 || i == 9) {
      EXPECT_EQ(scores[i], -std::numeric_limits<double>::infinity());
    } else {
      EXPECT_TRUE(std::isfinite(scores[i]));
    }
  }
}

TEST_F(Sources, ActivationsBeyondTheRangeNameTheLayer) {
  for (size_t i = 0; i < 16; ++i) made.set("model.layers.1.post_attention_layernorm.weight", i, 1e30F);
  write("loud");
  OpenedModel open(folder / "loud");
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(), open.new_store(), open.silent);
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
  test::expect_error(ErrorCode::kNonFinite, {"layer 1"}, [&] { pruner.shrink(two_thirds(open.model), changed); });
}

}  // namespace
}  // namespace prunenet
