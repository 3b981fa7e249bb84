// Training the published policy: episodes of draws, rewards and updates over all layers of a model.
// Source: arXiv 2501.15296, algorithm 1, and the published code where the paper is silent.
#pragma once

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "base/result_store.h"
#include "policy/backend.h"

namespace prunenet {

struct TrainOptions {
  int64_t episodes = 20;
  double gamma = 0.99;
  bool kl = false;  // add the published divergence to the loss
  uint64_t seed = 42;
};

struct EpisodeResult {
  double total_reward = 0;                 // undiscounted, over the layers
  double avg_reward = 0, avg_ks = 0;
  double avg_ks_error = 0, max_ks_error = 0;  // as the backend states them for each layer; 0 where KS is exact
  double elapsed_s = 0;
};

/// Seconds of the parts of a training, of what was done anew.
struct TrainTimes {
  double whole_spectra = 0;  // before the first episode, where the backend prepares
  double drawing = 0;        // layers read, logits, draws
  double draw_spectra = 0;   // distances; with a backend that does not prepare, whole layers as well
  double updating = 0;
  double keeping = 0;  // state and best policy, into the store and back
};

struct TrainResult {
  PolicyNetwork<float> policy;  // as it stood after the best episode's updates: what the published code saves
  int64_t best_episode = 0;     // the first of the largest total reward
  std::vector<EpisodeResult> episodes;
  bool converged = true;        // every spectrum settled
  int64_t first_episode = 0;    // those before it were found in the store
  TrainTimes times;
};

/// Trains from the backend's initial policy. `keep` is the number of rows kept in each layer.
/// In an episode every layer acts with unchanged parameters and is rewarded; then, layer after layer, fresh noise,
/// loss, gradient, one AdamW step. Before the first, where the backend prepares, a stage of its own prepares the
/// layers. Deterministic in the seed, whatever the number of threads. After an episode the backend's state, the best
/// policy and the history go into `store`, and training goes on from what it finds there: the result has the same bits
/// as that of an undisturbed run (but for elapsed_s of what was done anew). The best policy waits in the store, not in
/// memory. Names in the store begin with "policy.".
TrainResult train_prunenet(PolicyBackend& backend, const std::vector<int64_t>& keep, const TrainOptions& options,
                           ResultStore& store, Progress& progress);

/// Episodes that a training of `store` has finished, as far as its record says; for people.
int64_t num_trained_episodes(const ResultStore& store);

}  // namespace prunenet
