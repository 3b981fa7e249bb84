// Training and drawing: distributions of the draws, determinism, no NaN at any width, and the file of a policy.
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/random.h"
#include "linalg/parallel.h"
#include "policy/policy_file.h"
#include "policy/prunenet_scorer.h"
#include "policy/sampler.h"
#include "policy/trainer.h"
#include "support/memory_store.h"
#include "support/recorded_progress.h"
#include "support/support.h"

namespace prunenet {
namespace {

template <typename Real>
class MadeLayers final : public LayerSource<Real> {
 public:
  MadeLayers(int64_t layers, int64_t rows, int64_t cols, double size = 1) : cols_(cols) {
    for (int64_t l = 0; l < layers; ++l) {
      RandomStream stream(21, RandomStage::kBench, static_cast<uint32_t>(l));
      Matrix<Real> w(rows, cols);
      for (int64_t i = 0; i < w.size(); ++i) w.data()[i] = static_cast<Real>(size * stream.next_uniform(-1, 1));
      layers_.push_back(std::move(w));
    }
  }
  int64_t num_layers() const override { return static_cast<int64_t>(layers_.size()); }
  int64_t rows(int64_t layer) const override { return layers_[static_cast<size_t>(layer)].rows(); }
  int64_t cols() const override { return cols_; }
  Matrix<Real> load(int64_t layer) override { return layers_[static_cast<size_t>(layer)]; }

 private:
  std::vector<Matrix<Real>> layers_;
  int64_t cols_;
};

template <typename Real>
TrainResult train(LayerSource<Real>& layers, int64_t keep, int64_t episodes, uint64_t seed = 42) {
  TrainOptions options;
  options.episodes = episodes;
  options.seed = seed;
  SpectrumBase<Real> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  HostBackend<Real> backend(layers, spectra, PolicyNetwork<Real>::initial(hidden_units_for(layers), layers.cols(), seed), {});
  test::MemoryStore store;
  SilentProgress progress;
  return train_prunenet(backend, std::vector<int64_t>(static_cast<size_t>(layers.num_layers()), keep), options, store, progress);
}

TEST(Draw, FirstRowIsDrawnInProportionToItsWeight) {
  const std::vector<double> weights{1, 2, 3, 4};
  std::vector<double> log_weights, counts(4);
  for (double w : weights) log_weights.push_back(std::log(w));
  constexpr int kDraws = 20000;
  for (uint32_t i = 0; i < kDraws; ++i) counts[static_cast<size_t>(draw_rows(log_weights, 1, 7, RandomStage::kPolicySample, 0, i)[0])] += 1;
  double chi_square = 0;
  for (size_t i = 0; i < 4; ++i) {
    const double expected = kDraws * weights[i] / 10;
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi_square, 21.1);  // 3 degrees of freedom, p = 1e-4; the seed is fixed, so it passes always or never
}

TEST(Draw, PairsFollowPlackettLuceWithoutReplacement) {
  const std::vector<double> w{0.5, 0.3, 0.2}, log_weights{std::log(0.5), std::log(0.3), std::log(0.2)};
  constexpr int kDraws = 20000;
  double left_out[3] = {};
  for (uint32_t i = 0; i < kDraws; ++i) {
    const auto rows = draw_rows(log_weights, 2, 9, RandomStage::kPolicySample, 1, i);
    ASSERT_LT(rows[0], rows[1]);
    left_out[3 - rows[0] - rows[1]] += 1;
  }
  for (size_t out = 0; out < 3; ++out) {  // the last of three: sum over both orders of the other two
    const size_t a = (out + 1) % 3, b = (out + 2) % 3;
    const double p = w[a] * w[b] / (1 - w[a]) + w[b] * w[a] / (1 - w[b]);
    EXPECT_NEAR(left_out[out] / kDraws, p, 5 * std::sqrt(p * (1 - p) / kDraws));
  }
}

TEST(Train, SameSeedSameBitsForAnyNumberOfThreads) {
  MadeLayers<float> layers(2, 600, 420);
  TrainResult first;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    TrainResult result = train(layers, 450, 2);
    if (threads == 1) {
      first = std::move(result);
      continue;
    }
    EXPECT_EQ(first.policy.p, result.policy.p);
    EXPECT_EQ(first.policy.b, result.policy.b);
    EXPECT_EQ(first.policy.q, result.policy.q);
    EXPECT_EQ(first.episodes[1].total_reward, result.episodes[1].total_reward);
  }
  set_num_threads(0);
}

TEST(Train, AnotherSeedGivesAnotherPolicy) {
  MadeLayers<double> layers(1, 20, 8);
  EXPECT_NE(train(layers, 15, 2, 1).policy.p, train(layers, 15, 2, 2).policy.p);
}

TEST(Train, KeepsThePolicyAfterTheBestEpisodesUpdates) {
  MadeLayers<double> layers(3, 40, 12);
  const TrainResult whole = train(layers, 30, 12);
  double best = -1;
  int64_t expected = 0;
  for (size_t e = 0; e < whole.episodes.size(); ++e) {
    if (whole.episodes[e].total_reward > best) {
      best = whole.episodes[e].total_reward;
      expected = static_cast<int64_t>(e);
    }
  }
  EXPECT_EQ(whole.best_episode, expected);
  const TrainResult until_best = train(layers, 30, expected + 1);
  EXPECT_EQ(whole.policy.p, until_best.policy.p);  // training on did not change what was kept
}

TEST(Train, NoNanAtAnyWidthOrScale) {
  struct Shape {
    int64_t rows, cols, keep;
    double size;
  };
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{1, 9, 1, 1}, Shape{2, 1, 1, 1}, Shape{33, 2, 7, 1}, Shape{3, 40, 2, 1},
                             Shape{64, 16, 48, 1e30}, Shape{64, 16, 48, 1e-30}, Shape{64, 16, 48, 0}, Shape{20, 20, 20, 1}}) {
    SCOPED_TRACE(std::to_string(shape.rows) + "x" + std::to_string(shape.cols) + " size " + std::to_string(shape.size));
    MadeLayers<float> layers(2, shape.rows, shape.cols, shape.size);
    const TrainResult result = train(layers, shape.keep, 8);
    EXPECT_TRUE(result.policy.p.allFinite() && result.policy.b.allFinite() && result.policy.q.allFinite());
    for (const EpisodeResult& episode : result.episodes) EXPECT_TRUE(std::isfinite(episode.total_reward));
  }
}

TEST(Train, NoNanAfterManyEpisodes) {
  MadeLayers<float> layers(2, 48, 16);
  const TrainResult result = train(layers, 36, 3000);
  EXPECT_TRUE(result.policy.p.allFinite() && result.policy.q.allFinite());
}

TEST(Train, ManyEpisodesEndInRandomPruningAsMeasuredOfThePublishedPolicy) {
  // Rewards are always positive and nothing pushes a logit down, so every alpha approaches 1 and the draws become uniform.
  MadeLayers<double> layers(1, 48, 16);
  AdamWOptions options;
  options.learning_rate = 1e-2;
  auto network = PolicyNetwork<double>::initial(48, 16, 1);
  const Matrix<double> w = layers.load(0);
  AdamW<double> optimiser(network, options);
  for (uint32_t e = 0; e < 2000; ++e) {
    const auto noise = logistic_noise(48, 1, RandomStage::kPolicyAct, 0, e);
    const auto rows = draw_rows(log_keep_probabilities(network.logits(w), noise), 36, 1, RandomStage::kPolicySample, 0, e);
    const auto update = logistic_noise(48, 1, RandomStage::kPolicyUpdate, 0, e);
    optimiser.step(network, policy_gradient(network, w, logit_gradient(network.logits(w), update, rows, 6.0, false).values));
  }
  const Vector<double> logits = network.logits(w);
  EXPECT_GT(logits.minCoeff(), 2);  // sigmoid above 0.88 for every row
}

// Learns so fast that the draws of an episode show which policy drew them.
constexpr AdamWOptions kFast{.learning_rate = 0.3};

void expect_same(const TrainResult& found, const TrainResult& expected) {
  EXPECT_EQ(found.policy.p, expected.policy.p);
  EXPECT_EQ(found.policy.b, expected.policy.b);
  EXPECT_EQ(found.policy.q, expected.policy.q);
  EXPECT_EQ(found.best_episode, expected.best_episode);
  ASSERT_EQ(found.episodes.size(), expected.episodes.size());
  for (size_t e = 0; e < expected.episodes.size(); ++e) {
    EXPECT_EQ(found.episodes[e].total_reward, expected.episodes[e].total_reward);
    EXPECT_EQ(found.episodes[e].avg_ks, expected.episodes[e].avg_ks);
    EXPECT_EQ(found.episodes[e].avg_ks_error, expected.episodes[e].avg_ks_error);
  }
}

// Stopped before any one of its puts, a training goes on from what is there and ends with the bits of an undisturbed one.
TEST(Train, GoesOnAfterBeingStoppedAtAnyMomentWithTheSameBits) {
  MadeLayers<float> layers(3, 40, 12);
  const std::vector<int64_t> keep{30, 30, 30};
  constexpr int64_t kEpisodes = 6;
  SilentProgress progress;
  SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  const auto run = [&](test::MemoryStore& store) {
    HostBackend<float> backend(layers, spectra, PolicyNetwork<float>::initial(40, 12, 5), kFast);
    return train_prunenet(backend, keep, {kEpisodes, 0.99, false, 5}, store, progress);
  };
  test::MemoryStore undisturbed;
  const TrainResult expected = run(undisturbed);
  ASSERT_EQ(expected.episodes.size(), static_cast<size_t>(kEpisodes));
  for (int64_t stop = 0; stop < undisturbed.puts; ++stop) {
    test::MemoryStore store;
    store.puts_left = stop;
    EXPECT_THROW(run(store), test::MemoryStore::Stopped);
    for (store.puts_left = 1;; ++store.puts_left) {  // and again and again, a little later each time
      const int64_t limit = store.puts_left;
      try {
        SCOPED_TRACE("stopped at put " + std::to_string(stop));
        expect_same(run(store), expected);
        break;
      } catch (const test::MemoryStore::Stopped&) {
        store.puts_left = limit;
      }
    }
  }
}

// The same with estimated distances, and spectra from the cache that the stopped run filled.
TEST(SlowTrain, GoesOnWithEstimatesAndACacheWithTheSameBits) {
  const test::TemporaryFolder folder;
  MadeLayers<float> layers(1, 1400, kEstimateFromOrder);
  SilentProgress progress;
  const auto run = [&](test::MemoryStore& store, SpectrumCache cache) {
    SpectrumBase<float> spectra(folder.path(), SpectrumRoute::kGram, SpectrumMethod::kEstimate, std::move(cache));
    HostBackend<float> backend(layers, spectra, PolicyNetwork<float>::initial(1400, kEstimateFromOrder, 5), kFast);
    return train_prunenet(backend, {1200}, {2, 0.99, false, 5}, store, progress);
  };
  test::MemoryStore undisturbed;
  const TrainResult expected = run(undisturbed, {});
  EXPECT_GT(expected.episodes[1].avg_ks_error, 0) << "not estimated";
  for (int64_t stop = 0; stop < undisturbed.puts; ++stop) {
    SCOPED_TRACE("stopped at put " + std::to_string(stop));
    test::MemoryStore store;
    store.puts_left = stop;
    EXPECT_THROW(run(store, SpectrumCache(folder / "cache")), test::MemoryStore::Stopped);
    store.puts_left = -1;
    expect_same(run(store, SpectrumCache(folder / "cache")), expected);
  }
  EXPECT_EQ(test::folder_contents(folder / "cache").size(), 1u);
}

// A backend that has nothing to do ahead of time, as one on a device may be.
class Unprepared final : public PolicyBackend {
 public:
  explicit Unprepared(PolicyBackend& inner) : inner_(inner) {}
  int64_t num_layers() const override { return inner_.num_layers(); }
  int64_t rows(int64_t layer) const override { return inner_.rows(layer); }
  Vector<double> logits(int64_t layer) override { return inner_.logits(layer); }
  SpectrumDistance distance(int64_t layer, std::span<const int64_t> kept) override {
    return inner_.distance(layer, kept);
  }
  void update(int64_t layer, std::span<const double> dlogit) override { inner_.update(layer, dlogit); }
  void save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const override {
    inner_.save(part);
  }
  bool restore(const PartOf& part_of) override { return inner_.restore(part_of); }
  PolicyNetwork<float> network() const override { return inner_.network(); }

 private:
  PolicyBackend& inner_;
};

TEST(Train, WholeSpectraAreAStageOfTheirOwnAndChangeNoBit) {
  MadeLayers<float> layers(3, 40, 12);
  const auto run = [&](bool prepares, test::RecordedProgress& progress) {
    SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
    HostBackend<float> backend(layers, spectra, PolicyNetwork<float>::initial(40, 12, 5), kFast);
    Unprepared unprepared(backend);
    test::MemoryStore store;
    PolicyBackend& used = prepares ? static_cast<PolicyBackend&>(backend) : unprepared;
    return train_prunenet(used, {30, 30, 30}, {6, 0.99, false, 5}, store, progress);
  };
  test::RecordedProgress with, without;
  const TrainResult prepared = run(true, with), plain = run(false, without);
  expect_same(prepared, plain);
  ASSERT_EQ(with.stages.size(), 2u);
  EXPECT_EQ(with.stages[0].name, "spectra of whole layers");
  EXPECT_EQ(with.stages[0].steps, std::vector<double>(3, 1.0));
  EXPECT_EQ(with.stages[1].total, 18);
  ASSERT_EQ(without.stages.size(), 1u);
  EXPECT_EQ(without.stages[0].name, with.stages[1].name);
  for (const test::RecordedProgress* progress : {&with, &without}) progress->expect_whole();
  for (const double part_s : {prepared.times.whole_spectra, prepared.times.drawing, prepared.times.draw_spectra,
                              prepared.times.updating, prepared.times.keeping})
    EXPECT_GT(part_s, 0);
  EXPECT_EQ(plain.times.whole_spectra, 0);
}

// A training of three layers, stopped after some whole episodes.
class StoppedTraining : public testing::Test {
 protected:
  static constexpr int64_t kEpisodes = 6;
  TrainResult run(test::MemoryStore& store) { return run(store, progress_); }
  TrainResult run(test::MemoryStore& store, Progress& progress) {
    HostBackend<float> backend(layers_, spectra_, PolicyNetwork<float>::initial(40, 12, 5), kFast);
    return train_prunenet(backend, {30, 30, 30}, {kEpisodes, 0.99, false, 5}, store, progress);
  }
  // As it stands when the record of so many episodes has been put and one part of the next.
  test::MemoryStore stopped_after(int64_t episodes) {
    for (int64_t puts = 1;; ++puts) {
      test::MemoryStore store;
      store.puts_left = puts;
      EXPECT_THROW(run(store), test::MemoryStore::Stopped);
      int64_t done = 0;
      if (const auto record = store.find("policy.record")) std::memcpy(&done, record->data() + sizeof done, sizeof done);
      if (done < episodes) continue;
      store.puts_left = -1;
      return store;
    }
  }
  std::vector<std::string> names_with(const test::MemoryStore& store, const std::string& ending) {
    std::vector<std::string> names = store.names();
    std::erase_if(names, [&](const std::string& name) { return !name.ends_with(ending); });
    return names;
  }

 private:
  MadeLayers<float> layers_{3, 40, 12};
  SpectrumBase<float> spectra_{std::filesystem::temp_directory_path(), SpectrumRoute::kGram};
  SilentProgress progress_;
};

// Whatever part is missing, training starts anew; and stopped while it does, it never takes the old record for its own.
TEST_F(StoppedTraining, StartsAnewWithoutOneOfItsPartsWhereverThatIsStopped) {
  test::MemoryStore undisturbed;
  const TrainResult expected = run(undisturbed);
  // The state is in set 0, then in set 1, which the first episode anew writes over part by part with its own.
  for (const int64_t episodes : {2, 3}) {
    const test::MemoryStore stopped = stopped_after(episodes);
    for (const std::string& part : stopped.names()) {
      for (int64_t stop = 0; stop < 20; ++stop) {  // more puts than an episode makes
        SCOPED_TRACE(part + " missing after " + std::to_string(episodes) + " episodes, stopped at put " + std::to_string(stop));
        test::MemoryStore store = stopped;
        store.remove(part);
        store.puts_left = stop;
        EXPECT_THROW(run(store), test::MemoryStore::Stopped);
        store.puts_left = -1;
        expect_same(run(store), expected);
      }
    }
  }
}

TEST_F(StoppedTraining, SaysHowFarItWasAndWhatIsLeft) {
  test::MemoryStore nothing;
  EXPECT_EQ(num_trained_episodes(nothing), 0);
  for (const int64_t episodes : {2, 3}) {
    test::MemoryStore stopped = stopped_after(episodes);
    EXPECT_EQ(num_trained_episodes(stopped), episodes);
    test::RecordedProgress progress;
    EXPECT_EQ(run(stopped, progress).first_episode, episodes);
    EXPECT_EQ(num_trained_episodes(stopped), kEpisodes);
    ASSERT_EQ(progress.stages.size(), 2u);
    EXPECT_EQ(progress.stages[1].total, 3 * (kEpisodes - episodes));
    progress.expect_whole();
    test::RecordedProgress again;
    EXPECT_EQ(run(stopped, again).first_episode, kEpisodes);
    EXPECT_EQ(again.stages.size(), 1u) << "no spectrum is wanted where no episode is left";
  }
}

TEST_F(StoppedTraining, NoRecordThatIsNoneSaysHowFarItWas) {
  const test::MemoryStore stopped = stopped_after(2);
  const auto record = *stopped.find("policy.record");
  for (const int64_t episodes : {int64_t{-1}, int64_t{0}, int64_t{3}, int64_t{1} << 60}) {
    std::vector<std::byte> bytes(record.begin(), record.end());
    std::memcpy(bytes.data() + sizeof episodes, &episodes, sizeof episodes);
    test::MemoryStore store;
    store.put("policy.record", bytes);
    EXPECT_EQ(num_trained_episodes(store), 0) << episodes;
  }
  for (const size_t size : {size_t{0}, size_t{8}, record.size() - 1}) {
    test::MemoryStore store;
    store.put("policy.record", record.first(size));
    EXPECT_EQ(num_trained_episodes(store), 0) << size;
  }
}

TEST_F(StoppedTraining, StartsAnewFromABestPolicyThatDoesNotFit) {
  test::MemoryStore undisturbed;
  const TrainResult expected = run(undisturbed);
  const test::MemoryStore stopped = stopped_after(2);
  const auto expect_anew = [&](const std::string& ending, std::span<const std::byte> bytes) {
    test::MemoryStore store = stopped;
    const auto names = names_with(store, ending);
    ASSERT_FALSE(names.empty());
    for (const std::string& name : names) store.put(name, bytes);
    const int64_t puts = store.puts;
    expect_same(run(store), expected);
    EXPECT_EQ(store.puts - puts, undisturbed.puts) << "it went on from the record";
  };
  for (const auto& [units, width] : std::vector<std::pair<int64_t, int64_t>>{
           {12, 40}, {40, 13}, {0, 0}, {-40, -12}, {int64_t{1} << 62, 12}, {480, 1}}) {
    SCOPED_TRACE(std::to_string(units) + " x " + std::to_string(width));
    const int64_t shape[] = {units, width};
    expect_anew(".shape", std::as_bytes(std::span(shape)));
  }
  const std::vector<float> few(39, 1);
  for (const char* part : {".shape", "best0.p", "best0.b", "best0.q", "best1.p", "best1.b", "best1.q"}) {
    if (names_with(stopped, part).empty()) continue;
    SCOPED_TRACE(part);
    expect_anew(part, std::as_bytes(std::span(few)));
  }
}

TEST(Train, FinishedOnceTrainsNoFurther) {
  MadeLayers<double> layers(2, 20, 8);
  SilentProgress progress;
  SpectrumBase<double> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  test::MemoryStore store;
  HostBackend<double> first(layers, spectra, PolicyNetwork<double>::initial(20, 8, 5), {});
  const TrainResult expected = train_prunenet(first, {15, 15}, {3, 0.99, false, 5}, store, progress);
  store.puts_left = 0;  // nothing is left to put
  HostBackend<double> second(layers, spectra, PolicyNetwork<double>::initial(20, 8, 5), {});
  const TrainResult result = train_prunenet(second, {15, 15}, {3, 0.99, false, 5}, store, progress);
  EXPECT_EQ(result.policy.p, expected.policy.p);
  EXPECT_EQ(result.episodes[2].elapsed_s, expected.episodes[2].elapsed_s);
}

TEST(Train, LeavesStateOfOneEpisodeInItsStoreAndStartsAnewFromARecordThatDoesNotFit) {
  MadeLayers<float> layers(2, 20, 8);
  SilentProgress progress;
  SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  test::MemoryStore store;
  const auto run = [&](int64_t episodes) {
    HostBackend<float> backend(layers, spectra, PolicyNetwork<float>::initial(20, 8, 5), {});
    return train_prunenet(backend, {15, 15}, {episodes, 0.99, false, 5}, store, progress);
  };
  store.puts_left = 4 + 2 * 10 + 2 + 10 + 4;  // at least two whole episodes, whichever of them is the best
  EXPECT_THROW(run(20), test::MemoryStore::Stopped);
  EXPECT_LE(store.size(), 2 * 10u + 2 * 4 + 1);
  store.puts_left = -1;
  const TrainResult whole = run(1);  // fewer episodes than the record holds: another training
  EXPECT_EQ(whole.episodes.size(), 1u);
  EXPECT_LE(store.size(), 10u + 4 + 1 + 10);
  store.put("policy.record", std::as_bytes(std::span("nonsense", 8)));
  EXPECT_EQ(run(2).episodes.size(), 2u);
}

TEST(PolicyFile, RoundTripAndRefusals) {
  const test::TemporaryFolder folder;
  const PolicyFile policy{PolicyNetwork<float>::initial(6, 4, 3), {{"prunenet.seed", "3"}}};
  save_policy(folder / "p.safetensors", policy, false);
  const PolicyFile loaded = load_policy(folder / "p.safetensors");
  EXPECT_EQ(loaded.network.p, policy.network.p);
  EXPECT_EQ(loaded.network.b, policy.network.b);
  EXPECT_EQ(loaded.network.q, policy.network.q);
  EXPECT_EQ(loaded.metadata.at("prunenet.seed"), "3");
  test::expect_error(ErrorCode::kExists, {"p.safetensors"}, [&] { save_policy(folder / "p.safetensors", policy, false); });
  test::expect_error(ErrorCode::kNotFound, {"none"}, [&] { load_policy(folder / "none"); });
  test::write_bytes(folder / "other", test::safetensors_bytes({test::f32_tensor("P", {1, 1}, {1})}));
  test::expect_error(ErrorCode::kMismatch, {"other", "not a policy"}, [&] { load_policy(folder / "other"); });
  PolicyFile broken = policy;
  broken.network.p(2, 1) = std::nanf("");
  save_policy(folder / "nan", broken, false);
  test::expect_error(ErrorCode::kNonFinite, {"nan", "'P'"}, [&] { load_policy(folder / "nan"); });
}

TEST(PrunenetScorer, RefusesAModelOfAnotherHiddenSize) {
  MadeLayers<float> layers(1, 8, 5);
  test::expect_error(ErrorCode::kMismatch, {"hidden size 4", "5"},
                     [&] { prunenet_scorer(PolicyNetwork<float>::initial(8, 4, 1), layers, PolicySelect::kTop, 1); });
}

}  // namespace
}  // namespace prunenet
