// Applying a policy.
#include "policy/prunenet_scorer.h"

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "linalg/parallel.h"
#include "model/weights.h"
#include "policy/sampler.h"

namespace prunenet {
namespace {

constexpr int64_t kReadParts = 8;             // of a large matrix, each read by one thread
constexpr int64_t kReadInPartsFrom = 1 << 20;  // elements

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
  Matrix<Real> w;
  load_into(layer, w);
  return w;
}

template <typename Real>
void CheckpointLayers<Real>::load_into(int64_t layer, Matrix<Real>& w) {
  const MatrixRef& view = model_.layers[static_cast<size_t>(layer)].ffn.policy_view();
  w.resize(view.rows, view.cols);
  // Parts of rows, each read by one thread; a transposed matrix is gathered as a whole.
  const int64_t part = view.transposed || w.size() < kReadInPartsFrom ? view.rows : (view.rows + kReadParts - 1) / kReadParts;
  const int64_t parts = (view.rows + part - 1) / part;
  std::vector<std::exception_ptr> errors(static_cast<size_t>(parts));
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads()) if (parts > 1)
  for (int64_t p = 0; p < parts; ++p) {
    MatrixRef rows = view;
    rows.first_row += p * part;
    rows.rows = std::min(part, view.rows - p * part);
    try {
      read_matrix<Real>(checkpoint_, rows, std::span(w.data() + p * part * view.cols, static_cast<size_t>(rows.rows * view.cols)));
    } catch (...) {
      errors[static_cast<size_t>(p)] = std::current_exception();
    }
  }
  for (const auto& error : errors) {  // that of the first rows, whatever the number of threads
    if (error) std::rethrow_exception(error);
  }
}

template class CheckpointLayers<float>;
template class CheckpointLayers<double>;

}  // namespace prunenet
