// --method gate-norm, up-norm, down-norm: the weight a neuron has in one of its matrices.
#include "base/error.h"
#include "model/weights.h"
#include "selection/scorer.h"

namespace prunenet {
namespace {

class NormScorer final : public NeuronScorer {
 public:
  NormScorer(const Checkpoint& checkpoint, const ModelDescription& model, NormOf which)
      : checkpoint_(checkpoint), model_(model), which_(which) {}

  std::vector<double> scores(int64_t layer) override {
    const FfnDescription& ffn = model_.layers[static_cast<size_t>(layer)].ffn;
    switch (which_) {
      case NormOf::kGate: return row_norms(checkpoint_, *ffn.gate);
      case NormOf::kUp: return row_norms(checkpoint_, ffn.up);
      case NormOf::kDown: return column_norms(checkpoint_, ffn.down);
    }
    return {};
  }

 private:
  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
  NormOf which_;
};

}  // namespace

std::unique_ptr<NeuronScorer> norm_scorer(const Checkpoint& checkpoint, const ModelDescription& model, NormOf which) {
  if (which == NormOf::kGate && !model.layers.front().ffn.gate) {
    fail(ErrorCode::kUnsupported, "--method gate-norm", "a '{}' model has no gate; use up-norm, down-norm or product",
         model.family);
  }
  return std::make_unique<NormScorer>(checkpoint, model, which);
}

}  // namespace prunenet
