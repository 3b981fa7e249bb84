// Going on: shrinking that was stopped after any of its parts ends as one that was not, for every family; and parts
// that do not fit the model or the plan are no parts.
#include <bit>
#include <cmath>
#include <limits>

#include "calibrate/self_pruner.h"
#include "calibrate/stored_values.h"
#include "fixtures.h"
#include "support/memory_store.h"
#include "support/recorded_progress.h"

namespace prunenet {
namespace {

using test::MemoryStore;
using test::OpenedModel;
using test::replaced_bytes;
using test::two_thirds;

SelfOptions gaussian_options(RefitMode refit) {
  SelfOptions options;
  options.calibration = Calibration::kGaussian;
  options.refit = refit;
  options.gaussian_tokens = 300;
  return options;
}

struct Result {
  std::vector<std::vector<int64_t>> kept;
  std::vector<int64_t> dropped;
  std::map<std::string, std::string> bytes;
  std::vector<double> numbers;

  bool operator==(const Result&) const = default;
};

Result shrunk(OpenedModel& open, ResultStore& store, const ShrinkPlan& plan, RefitMode refit = RefitMode::kOneShot) {
  SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(refit), store, open.silent);
  ChangedModel changed(open.checkpoint, open.model, store);
  const ShrinkOutcome outcome = pruner.shrink(plan, changed);
  Result result{changed.mask().kept, changed.mask().dropped_layers, replaced_bytes(changed), {}};
  for (const SiteOutcome& site : outcome.sites) {
    for (const double number :
         {site.target_energy, site.error_before, site.error_refitted, site.error_after, site.damping,
          site.refit_damping, static_cast<double>(site.tokens), static_cast<double>(site.layer),
          static_cast<double>(site.units_before), static_cast<double>(site.units_after)})
      result.numbers.push_back(number);
  }
  return result;
}

TEST(ProgressOfAWalk, AdvancesWithinALayerAndComesToItsTotal) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  OpenedModel open(data / "golden" / "llama");
  ShrinkPlan plan = two_thirds(open.model);
  plan.dropped_layers = {1};
  MemoryStore store;
  for (const bool again : {false, true}) {  // the second time all sites are found
    if (again) store.remove("shrunk");
    test::RecordedProgress progress;
    SelfPruner pruner(open.checkpoint, open.model, nullptr, gaussian_options(RefitMode::kOneShot), store, progress);
    ChangedModel changed(open.checkpoint, open.model, store);
    pruner.shrink(plan, changed);
    ASSERT_EQ(progress.stages.size(), 1u);
    progress.expect_whole();
    // Attention, then measuring, choosing, refitting, neurons (asked for) and carrying on; one for the layer that goes.
    const auto layers = static_cast<size_t>(open.layers());
    EXPECT_EQ(progress.stages[0].steps.size(), (layers - 1) * (again ? 2 : 6) + 1);
    for (const double step : progress.stages[0].steps) EXPECT_GT(step, 0);
  }
}

class GoingOn : public testing::TestWithParam<std::string> {};

TEST_P(GoingOn, AfterAnyPartEndsAsAnUndisturbedRun) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  OpenedModel open(data / "golden" / GetParam());
  ShrinkPlan plan = two_thirds(open.model);
  if (open.model.keys.layers_fixed.empty()) plan.dropped_layers = {1};
  for (const RefitMode refit : {RefitMode::kOneShot, RefitMode::kNone}) {
    MemoryStore whole;
    const Result expected = shrunk(open, whole, plan, refit);
    EXPECT_EQ(expected.bytes.empty(), refit == RefitMode::kNone);
    ASSERT_GT(whole.puts, static_cast<int>(open.model.layers.size()) - 1);
    for (int stop = 0; stop <= whole.puts; ++stop) {
      MemoryStore store;
      store.puts_left = stop;
      if (stop < whole.puts) {
        EXPECT_THROW(shrunk(open, store, plan, refit), MemoryStore::Stopped);
      } else {
        EXPECT_TRUE(shrunk(open, store, plan, refit) == expected);
      }
      store.puts_left = -1;
      const int before = store.puts;
      EXPECT_TRUE(shrunk(open, store, plan, refit) == expected) << "stopped before part " << stop;
      EXPECT_LE(store.puts - before, whole.puts);
      if (stop == whole.puts) {
        EXPECT_EQ(store.puts, before) << "nothing is left to do";
      }
      EXPECT_TRUE(store.parts == whole.parts);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, GoingOn, testing::ValuesIn(test::kGoldenFamilies));

// Whatever a part has become, the run neither crashes nor ends otherwise.
TEST(GoingOnFromDamage, MakesAgainWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 3}).write(folder / "model");
  OpenedModel open(folder / "model");
  const ShrinkPlan plan = two_thirds(open.model);
  MemoryStore whole;
  const Result expected = shrunk(open, whole, plan);
  for (const auto& [name, bytes] : whole.parts) {
    for (size_t size = 0; size < bytes.size(); size += name.starts_with("tensor/") ? 40 : 8) {
      MemoryStore store;
      store.parts = whole.parts;
      store.parts[name].resize(size);
      EXPECT_TRUE(shrunk(open, store, plan) == expected) << name << " of " << size << " bytes";
    }
    MemoryStore store;
    store.parts = whole.parts;
    store.parts[name].resize(bytes.size() + 8);
    EXPECT_TRUE(shrunk(open, store, plan) == expected) << name << ", longer";
    store.parts = whole.parts;
    store.remove(name);
    EXPECT_TRUE(shrunk(open, store, plan) == expected) << name << ", missing";
    if (name.starts_with("tensor/")) continue;  // any bytes of the right number are numbers
    // Lengths, layers and kept units that lie. A number that is only reported may be anything.
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      for (const int64_t lie : {int64_t{-1}, int64_t{1} << 62, int64_t{5000}}) {
        store.parts = whole.parts;
        std::copy_n(reinterpret_cast<const std::byte*>(&lie), 8, store.parts[name].begin() + static_cast<int64_t>(at));
        const Result result = shrunk(open, store, plan);
        EXPECT_EQ(result.kept.size(), expected.kept.size());
        for (const auto& kept : result.kept) EXPECT_EQ(kept.size(), 8U) << name << " at " << at;
      }
    }
  }
}

TEST(GoingOnFromDamage, OfAnotherPlanIsNotGoneOnFrom) {
  const test::TemporaryFolder folder;
  test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 3}).write(folder / "model");
  OpenedModel open(folder / "model");
  MemoryStore store, other;
  shrunk(open, store, two_thirds(open.model));
  ShrinkPlan plan = two_thirds(open.model);
  plan.widths = {8, 6, 8};
  EXPECT_TRUE(shrunk(open, store, plan) == shrunk(open, other, plan));
}

TEST(FinishedLayers, AreThoseThatTheWalkHasComePast) {
  const test::TemporaryFolder folder;
  test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 3}).write(folder / "model");
  OpenedModel open(folder / "model");
  for (const int64_t dropped : {int64_t{0}, int64_t{1}, int64_t{2}}) {
    MemoryStore store;
    EXPECT_EQ(num_finished_layers(store, 3), 0);
    ShrinkPlan plan = two_thirds(open.model);
    plan.dropped_layers = {dropped};
    shrunk(open, store, plan);
    EXPECT_EQ(num_finished_layers(store, 3), 3) << "all is done, whatever goes";
    store.remove("shrunk");
    EXPECT_EQ(num_finished_layers(store, 3), dropped == 2 ? 2 : 3);
    store.remove_all("site/2/");
    EXPECT_EQ(num_finished_layers(store, 3), dropped == 1 ? 1 : 2);
  }
}

TEST(StoredValues, ComeBackToTheBit) {
  ValueWriter writer;
  const std::vector<int64_t> wholes{3, -1, int64_t{1} << 62};
  const std::vector<double> reals{0.1, -0.0, std::numeric_limits<double>::infinity(), 5e-324};
  writer.add(int64_t{-7});
  writer.add(wholes);
  writer.add(reals);
  writer.add(0.3);
  ValueReader reader(writer.bytes());
  EXPECT_EQ(reader.whole(), -7);
  EXPECT_EQ(reader.wholes(), wholes);
  const auto back = reader.reals();
  ASSERT_EQ(back.size(), reals.size());
  for (size_t i = 0; i < reals.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint64_t>(back[i]), std::bit_cast<uint64_t>(reals[i]));
  EXPECT_FALSE(reader.is_whole()) << "something is left";
  EXPECT_EQ(reader.real(), 0.3);
  EXPECT_TRUE(reader.is_whole());
  EXPECT_EQ(reader.whole(), 0);
  EXPECT_FALSE(reader.is_whole()) << "more was asked than is there";
}

TEST(StoredValues, TextsAreOfIdsOfTheModelAlone) {
  MemoryStore store;
  const std::vector<std::vector<TokenId>> texts{{1, 5, 9}, {1}, {1, 0}};
  put_texts(store, "text", texts);
  EXPECT_EQ(find_texts(store, "text", 3, 10), texts);
  EXPECT_FALSE(find_texts(store, "none", 3, 10));
  EXPECT_FALSE(find_texts(store, "text", 3, 9)) << "an id is beyond the vocabulary";
  EXPECT_FALSE(find_texts(store, "text", 2, 10)) << "a text is too long";
  put_texts(store, "empty", {{1}, {}});
  EXPECT_FALSE(find_texts(store, "empty", 3, 10)) << "a text holds at least its first id";
  const auto whole = store.parts["text"];
  for (size_t size = 0; size < whole.size(); ++size) {
    store.parts["text"].assign(whole.begin(), whole.begin() + static_cast<int64_t>(size));
    EXPECT_FALSE(find_texts(store, "text", 3, 10)) << size;
  }
  store.parts["text"] = whole;
  const int64_t many = int64_t{1} << 60;
  std::copy_n(reinterpret_cast<const std::byte*>(&many), 8, store.parts["text"].begin());
  EXPECT_FALSE(find_texts(store, "text", 3, 10));
}

TEST(StoredSensitivities, AreTakenWhenAllAreThere) {
  const test::TemporaryFolder folder;
  test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 3}).write(folder / "model");
  OpenedModel open(folder / "model");
  MemoryStore store;
  const Matrix<float> g = Matrix<float>::Identity(8, 8) * 3;
  Sensitivities first(store);
  first.put(0, Site::kFfn, g);
  first.put(2, Site::kAttention, g * 2);
  {
    Sensitivities early(store);
    EXPECT_FALSE(early.restore(open.model)) << "not all were there when the run was stopped";
    EXPECT_TRUE(early.empty());
  }
  first.complete();
  Sensitivities again(store);
  EXPECT_TRUE(again.restore(open.model));
  EXPECT_EQ(again.get(0, Site::kFfn), first.get(0, Site::kFfn));
  EXPECT_EQ(again.trace(2, Site::kAttention), first.trace(2, Site::kAttention));
  EXPECT_FALSE(again.get(1, Site::kFfn));
  const auto parts = store.parts;
  for (const auto& [name, bytes] : parts) {
    store.parts = parts;
    store.parts[name].pop_back();
    EXPECT_FALSE(Sensitivities(store).restore(open.model)) << name;
  }
}

}  // namespace
}  // namespace prunenet
