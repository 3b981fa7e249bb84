// Gaussian energy.
#include "calibrate/energy_scorer.h"

#include <cmath>

#include "model/weights.h"

namespace prunenet {
namespace {

class GaussianEnergyScorer final : public NeuronScorer {
 public:
  GaussianEnergyScorer(const Checkpoint& checkpoint, const ModelDescription& model,
                       const TransformerDescription& transformer, const GaussianOptions& options)
      : checkpoint_(checkpoint), model_(model), transformer_(transformer), options_(options) {}

  std::vector<double> scores(int64_t layer) override {
    const Moments moments = gaussian_moments(checkpoint_, transformer_, layer, options_);
    std::vector<double> scores = column_norms(checkpoint_, model_.layers[static_cast<size_t>(layer)].ffn.down);
    for (size_t i = 0; i < scores.size(); ++i) {
      const auto n = static_cast<int64_t>(i);
      scores[i] = 2 * std::log(scores[i]) + std::log(static_cast<double>(moments.second(n, n)));
    }
    return scores;
  }

 private:
  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
  const TransformerDescription& transformer_;
  GaussianOptions options_;
};

}  // namespace

std::unique_ptr<NeuronScorer> gaussian_energy_scorer(const Checkpoint& checkpoint, const ModelDescription& model,
                                                     const TransformerDescription& transformer,
                                                     const GaussianOptions& options) {
  return std::make_unique<GaussianEnergyScorer>(checkpoint, model, transformer, options);
}

}  // namespace prunenet
