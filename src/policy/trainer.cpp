// The training loop.
#include "policy/trainer.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/system.h"
#include "policy/reward.h"
#include "policy/sampler.h"
#include "policy/training_state.h"
#include "policy/update.h"

namespace prunenet {
namespace {

struct LayerDraw {
  std::vector<int64_t> rows;
  double reward = 0;
};

// Adds the time that it lives to a sum.
class Timed {
 public:
  explicit Timed(double& sum) : sum_(sum) {}
  ~Timed() { sum_ += watch_.elapsed_s(); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  double& sum_;
  Stopwatch watch_;
};

// One episode over all layers: the draws and their rewards, then the updates.
class Episode {
 public:
  Episode(PolicyBackend& backend, const std::vector<int64_t>& keep, const TrainOptions& options, int64_t index,
          TrainTimes& times, Progress& progress)
      : backend_(backend),
        keep_(keep),
        options_(options),
        step_(static_cast<uint32_t>(index)),
        times_(times),
        progress_(progress) {}

  EpisodeResult run(bool& converged) {
    const Stopwatch watch;
    const int64_t layers = backend_.num_layers();
    std::vector<LayerDraw> draws;
    for (int64_t l = 0; l < layers; ++l) {
      throw_if_cancelled();
      draws.push_back(act(l, converged));
      progress_.advance(0.9);  // the spectrum is most of a layer's work
    }
    for (int64_t l = 0; l < layers; ++l) {
      throw_if_cancelled();
      update(l, draws[static_cast<size_t>(l)]);
      progress_.advance(0.1);
    }
    record_.avg_reward = record_.total_reward / static_cast<double>(layers);
    record_.elapsed_s = watch.elapsed_s();
    return record_;
  }

 private:
  LayerDraw act(int64_t l, bool& converged) {
    const auto layers = static_cast<double>(backend_.num_layers());
    LayerDraw draw;
    draw.rows = drawn_rows(l);
    const SpectrumDistance distance = [&] {
      const Timed timed(times_.draw_spectra);
      return backend_.distance(l, draw.rows);
    }();
    converged = converged && distance.converged;
    draw.reward = spectrum_reward(distance.ks);
    record_.total_reward += draw.reward;
    record_.avg_ks += distance.ks / layers;
    record_.avg_ks_error += distance.error / layers;
    record_.max_ks_error = std::max(record_.max_ks_error, distance.error);
    return draw;
  }

  std::vector<int64_t> drawn_rows(int64_t l) {
    const Timed timed(times_.drawing);
    const auto layer = static_cast<uint32_t>(l);
    const auto noise = logistic_noise(backend_.rows(l), options_.seed, RandomStage::kPolicyAct, layer, step_);
    const auto weights = log_keep_probabilities(backend_.logits(l), noise);
    return draw_rows(weights, keep_[static_cast<size_t>(l)], options_.seed, RandomStage::kPolicySample, layer, step_);
  }

  void update(int64_t l, const LayerDraw& draw) {
    const Timed timed(times_.updating);
    const auto noise =
        logistic_noise(backend_.rows(l), options_.seed, RandomStage::kPolicyUpdate, static_cast<uint32_t>(l), step_);
    const double reward = discounted_reward(draw.reward, l, options_.gamma);
    backend_.update(l, logit_gradient(backend_.logits(l), noise, draw.rows, reward, options_.kl).values);
  }

  PolicyBackend& backend_;
  const std::vector<int64_t>& keep_;
  const TrainOptions& options_;
  uint32_t step_;
  TrainTimes& times_;
  Progress& progress_;
  EpisodeResult record_;
};

// A whole layer's spectrum takes as long as many estimates of draws: within the first episode nobody could say how long
// the rest will take.
void prepare_layers(PolicyBackend& backend, const std::vector<int64_t>& keep, TrainTimes& times, Progress& progress) {
  if (!backend.prepares()) return;
  const Timed timed(times.whole_spectra);
  progress.begin("spectra of whole layers", static_cast<double>(backend.num_layers()));
  for (int64_t l = 0; l < backend.num_layers(); ++l) {
    throw_if_cancelled();
    backend.prepare(l, keep[static_cast<size_t>(l)]);
    progress.advance(1);
  }
  progress.end();
}

}  // namespace

TrainResult train_prunenet(PolicyBackend& backend, const std::vector<int64_t>& keep, const TrainOptions& options,
                           ResultStore& store, Progress& progress) {
  const int64_t layers = backend.num_layers();
  PRUNENET_CHECK(layers > 0 && keep.size() == static_cast<size_t>(layers) && options.episodes > 0);
  TrainResult result;
  TrainingState state(store, backend);
  TrainingProgress done = [&] {
    const Timed timed(result.times.keeping);
    return state.load(options.episodes).value_or(TrainingProgress{});
  }();
  result.first_episode = static_cast<int64_t>(done.episodes.size());
  if (result.first_episode < options.episodes) prepare_layers(backend, keep, result.times, progress);
  progress.begin("training the policy", static_cast<double>((options.episodes - result.first_episode) * layers));
  for (int64_t episode = result.first_episode; episode < options.episodes; ++episode) {
    done.episodes.push_back(Episode(backend, keep, options, episode, result.times, progress).run(done.converged));
    if (done.episodes.back().total_reward > done.best_reward) {
      done.best_reward = done.episodes.back().total_reward;
      done.best_episode = episode;
    }
    const Timed timed(result.times.keeping);
    state.save(done, episode + 1 == options.episodes);
  }
  progress.end();
  result.policy = state.best();
  result.best_episode = done.best_episode;
  result.episodes = std::move(done.episodes);
  result.converged = done.converged;
  return result;
}

}  // namespace prunenet
