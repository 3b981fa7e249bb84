// Training the published policy: episodes of draws, rewards and updates over all layers of a model.
// Source: arXiv 2501.15296, algorithm 1, and the published code where the paper is silent.
#pragma once

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "policy/network.h"
#include "policy/update.h"
#include "spectrum/gram_store.h"
#include "spectrum/spectrum.h"

namespace prunenet {

/// Where the policy's view of a layer comes from. The policy knows no checkpoint and no architecture.
template <typename Real>
class LayerSource {
 public:
  virtual ~LayerSource() = default;
  virtual int64_t num_layers() const = 0;
  virtual int64_t rows(int64_t layer) const = 0;
  virtual int64_t cols() const = 0;
  /// W [rows(layer), cols], finite.
  virtual Matrix<Real> load(int64_t layer) = 0;
};

struct TrainOptions {
  int64_t episodes = 20;
  AdamWOptions adamw;
  double gamma = 0.99;
  bool kl = false;  // add the published divergence to the loss
  uint64_t seed = 42;
  SpectrumRoute route = SpectrumRoute::kGram;
};

struct EpisodeResult {
  double total_reward = 0;           // undiscounted, over the layers
  double avg_reward = 0, avg_ks = 0;
  double elapsed_s = 0;
};

template <typename Real>
struct TrainResult {
  PolicyNetwork<Real> policy;  // as it stood after the best episode's updates: what the published code saves
  int64_t best_episode = 0;    // the first of the largest total reward
  std::vector<EpisodeResult> episodes;
  bool converged = true;       // every spectrum settled
};

/// The spectra of whole layers, computed once; and the Gram matrices between episodes.
template <typename Real>
class SpectrumBase {
 public:
  SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route);
  /// Singular values of the whole layer. `w` is its matrix, loaded.
  const Spectrum& whole(int64_t layer, const Matrix<Real>& w);
  /// Singular values of the kept rows.
  Spectrum kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows);

 private:
  RowSpectrum<Real> rows_of(int64_t layer, const Matrix<Real>& w);

  SpectrumRoute route_;
  GramStore<Real> grams_;
  std::map<int64_t, Spectrum> whole_;
};

/// Trains from the seed's initial policy. `keep` is the number of rows kept in each layer.
/// In an episode every layer acts with unchanged parameters and is rewarded; then, layer after layer, fresh noise, loss,
/// gradient, one AdamW step. Memory: four times the policy (parameters, two moments, the best), a layer, and three Gram
/// matrices. Deterministic in the seed, whatever the number of threads.
template <typename Real>
TrainResult<Real> train_prunenet(LayerSource<Real>& source, const std::vector<int64_t>& keep, const TrainOptions& options,
                                 SpectrumBase<Real>& spectra, Progress& progress);

}  // namespace prunenet
