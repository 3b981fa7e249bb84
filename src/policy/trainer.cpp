// The training loop.
#include "policy/trainer.h"

#include <algorithm>

#include "base/cancel.h"
#include "base/error.h"
#include "base/system.h"
#include "policy/reward.h"
#include "policy/sampler.h"
#include "spectrum/ks.h"

namespace prunenet {

template <typename Real>
SpectrumBase<Real>::SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route)
    : route_(route), grams_(std::move(scratch_folder)) {}

template <typename Real>
RowSpectrum<Real> SpectrumBase<Real>::rows_of(int64_t layer, const Matrix<Real>& w) {
  if (route_ == SpectrumRoute::kDirect) return RowSpectrum<Real>(w, route_);
  Matrix<Real> gram;
  if (grams_.get(layer, gram)) return RowSpectrum<Real>(w, std::move(gram));
  RowSpectrum<Real> rows(w, route_);
  grams_.put(layer, rows.gram());
  return rows;
}

template <typename Real>
const Spectrum& SpectrumBase<Real>::whole(int64_t layer, const Matrix<Real>& w) {
  const auto found = whole_.find(layer);
  if (found != whole_.end()) return found->second;
  return whole_.emplace(layer, rows_of(layer, w).all()).first->second;
}

template <typename Real>
Spectrum SpectrumBase<Real>::kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  return rows_of(layer, w).kept(rows);
}

namespace {

struct LayerDraw {
  std::vector<int64_t> rows;
  double reward = 0;
};

}  // namespace

template <typename Real>
TrainResult<Real> train_prunenet(LayerSource<Real>& source, const std::vector<int64_t>& keep, const TrainOptions& options,
                                 SpectrumBase<Real>& spectra, Progress& progress) {
  const int64_t layers = source.num_layers();
  PRUNENET_CHECK(layers > 0 && keep.size() == static_cast<size_t>(layers) && options.episodes > 0);
  int64_t hidden_units = 0;
  for (int64_t l = 0; l < layers; ++l) hidden_units = std::max(hidden_units, source.rows(l));

  auto network = PolicyNetwork<Real>::initial(hidden_units, source.cols(), options.seed);
  AdamW<Real> optimiser(network, options.adamw);
  TrainResult<Real> result;
  double best_reward = -1;
  progress.begin("training the policy", static_cast<double>(options.episodes * layers));
  for (int64_t episode = 0; episode < options.episodes; ++episode) {
    const Stopwatch watch;
    EpisodeResult record;
    const auto step = static_cast<uint32_t>(episode);
    std::vector<LayerDraw> draws;
    for (int64_t l = 0; l < layers; ++l) {
      throw_if_cancelled();
      const auto layer = static_cast<uint32_t>(l);
      const Matrix<Real> w = source.load(l);
      const auto noise = logistic_noise(w.rows(), options.seed, RandomStage::kPolicyAct, layer, step);
      const auto weights = log_keep_probabilities(network.logits(w), noise);
      LayerDraw draw;
      draw.rows = draw_rows(weights, keep[static_cast<size_t>(l)], options.seed, RandomStage::kPolicySample, layer, step);
      const Spectrum& whole = spectra.whole(l, w);
      const Spectrum kept = spectra.kept(l, w, draw.rows);
      result.converged = result.converged && whole.converged && kept.converged;
      const double ks = ks_statistic(whole.singular_values, kept.singular_values);
      draw.reward = spectrum_reward(ks);
      record.total_reward += draw.reward;
      record.avg_ks += ks / static_cast<double>(layers);
      draws.push_back(std::move(draw));
      progress.advance(0.9);  // the spectrum is most of a layer's work
    }
    for (int64_t l = 0; l < layers; ++l) {
      throw_if_cancelled();
      const LayerDraw& draw = draws[static_cast<size_t>(l)];
      const Matrix<Real> w = source.load(l);
      const auto noise = logistic_noise(w.rows(), options.seed, RandomStage::kPolicyUpdate, static_cast<uint32_t>(l), step);
      const double reward = discounted_reward(draw.reward, l, options.gamma);
      const LogitGradient gradient = logit_gradient(network.logits(w), noise, draw.rows, reward, options.kl);
      optimiser.step(network, policy_gradient(network, w, gradient.values));
      progress.advance(0.1);
    }
    record.avg_reward = record.total_reward / static_cast<double>(layers);
    record.elapsed_s = watch.elapsed_s();
    result.episodes.push_back(record);
    if (record.total_reward > best_reward) {
      best_reward = record.total_reward;
      result.best_episode = episode;
      result.policy = network;
    }
  }
  progress.end();
  return result;
}

template class SpectrumBase<float>;
template class SpectrumBase<double>;
template TrainResult<float> train_prunenet<float>(LayerSource<float>&, const std::vector<int64_t>&, const TrainOptions&,
                                                  SpectrumBase<float>&, Progress&);
template TrainResult<double> train_prunenet<double>(LayerSource<double>&, const std::vector<int64_t>&, const TrainOptions&,
                                                    SpectrumBase<double>&, Progress&);

}  // namespace prunenet
