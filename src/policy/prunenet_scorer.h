// --method prunenet as a scorer: a trained policy applied to the layers of a model. And the model as the trainer sees it.
#pragma once

#include <memory>

#include "policy/network.h"
#include "policy/host_backend.h"
#include "selection/scorer.h"

namespace prunenet {

/// How a trained policy chooses: one draw, as published, or its top K.
enum class PolicySelect { kSample, kTop };

/// Throws kMismatch when the policy's D is not the model's hidden size. `seed` addresses the draw.
std::unique_ptr<NeuronScorer> prunenet_scorer(PolicyNetwork<float> network, LayerSource<float>& source, PolicySelect how,
                                              uint64_t seed);

/// The policy's view (gate, or fc1) of every layer of a checkpoint, read when asked for.
template <typename Real>
class CheckpointLayers final : public LayerSource<Real> {
 public:
  CheckpointLayers(const Checkpoint& checkpoint, const ModelDescription& model) : checkpoint_(checkpoint), model_(model) {}
  int64_t num_layers() const override { return static_cast<int64_t>(model_.layers.size()); }
  int64_t rows(int64_t layer) const override { return model_.layers[static_cast<size_t>(layer)].ffn.neurons.width; }
  int64_t cols() const override { return model_.hidden; }
  Matrix<Real> load(int64_t layer) override;
  void load_into(int64_t layer, Matrix<Real>& w) override;

 private:
  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
};

}  // namespace prunenet
