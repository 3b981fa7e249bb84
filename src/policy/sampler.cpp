// Noise and draws.
#include "policy/sampler.h"

#include <cmath>

#include "base/error.h"
#include "selection/scorer.h"

namespace prunenet {

double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

std::vector<double> logistic_noise(int64_t n, uint64_t seed, RandomStage stage, uint32_t layer, uint32_t step) {
  RandomStream stream(seed, stage, layer, step);
  std::vector<double> noise(static_cast<size_t>(n));
  for (double& value : noise) value = stream.next_logistic();
  return noise;
}

template <typename Real>
std::vector<double> log_keep_probabilities(const Vector<Real>& logits, std::span<const double> noise) {
  PRUNENET_CHECK(static_cast<size_t>(logits.size()) == noise.size());
  std::vector<double> result(noise.size());
  for (size_t i = 0; i < noise.size(); ++i) {
    result[i] = -softplus(-(static_cast<double>(logits[static_cast<int64_t>(i)]) + noise[i]));
  }
  return result;
}

template std::vector<double> log_keep_probabilities<float>(const Vector<float>&, std::span<const double>);
template std::vector<double> log_keep_probabilities<double>(const Vector<double>&, std::span<const double>);

std::vector<double> draw_keys(std::span<const double> log_weights, uint64_t seed, RandomStage stage, uint32_t layer,
                              uint32_t step) {
  RandomStream stream(seed, stage, layer, step);
  std::vector<double> keys(log_weights.begin(), log_weights.end());
  for (double& key : keys) key += stream.next_gumbel();
  return keys;
}

std::vector<int64_t> draw_rows(std::span<const double> log_weights, int64_t count, uint64_t seed, RandomStage stage,
                               uint32_t layer, uint32_t step) {
  return top_indices(draw_keys(log_weights, seed, stage, layer, step), count);
}

}  // namespace prunenet
