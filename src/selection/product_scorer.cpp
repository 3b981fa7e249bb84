// --method product: a neuron's norms multiplied.
#include <cmath>

#include "model/weights.h"
#include "selection/scorer.h"

namespace prunenet {
namespace {

class ProductScorer final : public NeuronScorer {
 public:
  ProductScorer(const Checkpoint& checkpoint, const ModelDescription& model) : checkpoint_(checkpoint), model_(model) {}

  std::vector<double> scores(int64_t layer) override {
    const FfnDescription& ffn = model_.layers[static_cast<size_t>(layer)].ffn;
    std::vector<double> sum(static_cast<size_t>(ffn.neurons.width));
    add_logarithms(row_norms(checkpoint_, ffn.up), sum);
    add_logarithms(column_norms(checkpoint_, ffn.down), sum);
    if (ffn.gate) add_logarithms(row_norms(checkpoint_, *ffn.gate), sum);
    return sum;
  }

 private:
  // A neuron with a zero row contributes nothing, whatever its other norms: it comes last (minus infinity).
  static void add_logarithms(const std::vector<double>& norms, std::vector<double>& sum) {
    for (size_t i = 0; i < norms.size(); ++i) sum[i] += std::log(norms[i]);
  }

  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
};

}  // namespace

std::unique_ptr<NeuronScorer> product_scorer(const Checkpoint& checkpoint, const ModelDescription& model) {
  return std::make_unique<ProductScorer>(checkpoint, model);
}

}  // namespace prunenet
