// --method product: a neuron's norms multiplied.
#include <cmath>
#include <numbers>

#include "model/weights.h"
#include "selection/scorer.h"

namespace prunenet {
namespace {

class ProductScorer final : public NeuronScorer {
 public:
  ProductScorer(const Checkpoint& checkpoint, const ModelDescription& model) : checkpoint_(checkpoint), model_(model) {}

  std::vector<double> scores(int64_t layer) override {
    const FfnDescription& ffn = model_.layers[static_cast<size_t>(layer)].ffn;
    std::vector<Product> products(static_cast<size_t>(ffn.neurons.width));
    multiply_by(row_norms(checkpoint_, ffn.up), products);
    multiply_by(column_norms(checkpoint_, ffn.down), products);
    if (ffn.gate) multiply_by(row_norms(checkpoint_, *ffn.gate), products);
    std::vector<double> logarithms;
    for (const Product& product : products) {
      logarithms.push_back(std::log(product.fraction) + product.exponent * std::numbers::ln2);
    }
    return logarithms;
  }

 private:
  // fraction 2^exponent: no product leaves the range, and rescaling by powers of two changes not a bit, so that equal
  // neurons stay equal. A neuron with a zero row contributes nothing, whatever its other norms: it comes last (minus
  // infinity).
  struct Product {
    double fraction = 1;
    int exponent = 0;
  };

  static void multiply_by(const std::vector<double>& norms, std::vector<Product>& products) {
    for (size_t i = 0; i < norms.size(); ++i) {
      int of_norm = 0, of_product = 0;
      products[i].fraction = std::frexp(products[i].fraction * std::frexp(norms[i], &of_norm), &of_product);
      products[i].exponent += of_norm + of_product;
    }
  }

  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
};

}  // namespace

std::unique_ptr<NeuronScorer> product_scorer(const Checkpoint& checkpoint, const ModelDescription& model) {
  return std::make_unique<ProductScorer>(checkpoint, model);
}

}  // namespace prunenet
