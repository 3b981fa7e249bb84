// --method random: every choice of neurons is equally likely.
#include "base/random.h"
#include "selection/scorer.h"

namespace prunenet {
namespace {

class RandomScorer final : public NeuronScorer {
 public:
  RandomScorer(const ModelDescription& model, uint64_t seed) : widths_(model.ffn_widths()), seed_(seed) {}

  std::vector<double> scores(int64_t layer) override {
    RandomStream stream(seed_, RandomStage::kRandomSelection, static_cast<uint32_t>(layer));
    std::vector<double> draws(static_cast<size_t>(widths_[static_cast<size_t>(layer)]));
    for (double& draw : draws) draw = stream.next_open();
    return draws;
  }

 private:
  std::vector<int64_t> widths_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<NeuronScorer> random_scorer(const ModelDescription& model, uint64_t seed) {
  return std::make_unique<RandomScorer>(model, seed);
}

}  // namespace prunenet
