// Applying a policy.
#include "policy/prunenet_scorer.h"

#include "base/error.h"
#include "model/weights.h"
#include "policy/sampler.h"

namespace prunenet {
namespace {

class PrunenetScorer final : public NeuronScorer {
 public:
  PrunenetScorer(PolicyNetwork<float> network, LayerSource<float>& source, PolicySelect how, uint64_t seed)
      : network_(std::move(network)), source_(source), how_(how), seed_(seed) {}

  std::vector<double> scores(int64_t layer) override {
    const Matrix<float> w = source_.load(layer);
    const Vector<float> logits = network_.logits(w);
    if (how_ == PolicySelect::kTop) return {logits.begin(), logits.end()};
    const auto address = static_cast<uint32_t>(layer);
    const auto noise = logistic_noise(w.rows(), seed_, RandomStage::kPolicyPrune, address, 0);
    return draw_keys(log_keep_probabilities(logits, noise), seed_, RandomStage::kPolicyPruneSample, address, 0);
  }

 private:
  PolicyNetwork<float> network_;
  LayerSource<float>& source_;
  PolicySelect how_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<NeuronScorer> prunenet_scorer(PolicyNetwork<float> network, LayerSource<float>& source, PolicySelect how,
                                              uint64_t seed) {
  if (network.width() != source.cols()) {
    fail(ErrorCode::kMismatch, "--policy", "was trained on models of hidden size {}, this model's is {}", network.width(),
         source.cols());
  }
  return std::make_unique<PrunenetScorer>(std::move(network), source, how, seed);
}

template <typename Real>
Matrix<Real> CheckpointLayers<Real>::load(int64_t layer) {
  const MatrixRef& view = model_.layers[static_cast<size_t>(layer)].ffn.policy_view();
  Matrix<Real> w(view.rows, view.cols);
  read_matrix<Real>(checkpoint_, view, std::span(w.data(), static_cast<size_t>(w.size())));
  return w;
}

template class CheckpointLayers<float>;
template class CheckpointLayers<double>;

}  // namespace prunenet
