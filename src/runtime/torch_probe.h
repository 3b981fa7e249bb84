// The probe on libtorch: the dense model's residual stream before every layer, and its logits, kept; a change runs from
// the first layer that it touches.
#pragma once

#include <vector>

#include "engine/walk.h"
#include "runtime/layer_weights.h"
#include "runtime/spill.h"
#include "runtime/torch_engine.h"

namespace prunenet {

class TorchProbe final : public KlProbe {
 public:
  /// `engine` must outlive it; the ids are checked already.
  TorchProbe(TorchEngine& engine, std::span<const std::vector<TokenId>> sequences);

  std::vector<float> kl(std::span<const ProbeChange> changes) override;

 private:
  struct Part {
    Chunk chunk;
    Positions positions;
    std::vector<at::Tensor> states;  // before each layer [n, D], as the spill keeps them
    at::Tensor rows;                 // that predict a token of the text
    at::Tensor logits;               // of those rows, on the CPU
  };

  std::vector<float> compute(std::span<const ProbeChange> changes);
  at::Tensor changed_layer(const at::Tensor& x, const Part& part, const LayerWeights& block, int64_t layer,
                           std::span<const ProbeChange> changes) const;
  at::Tensor logits_of(const at::Tensor& stream, const Part& part);
  // Before that layer.
  at::Tensor state(const Part& part, size_t layer) const { return spill_.of(part.states[layer]); }

  TorchEngine& engine_;
  Transformer& transformer_;
  TensorSpill spill_;  // of the states
  std::vector<Part> parts_;
};

}  // namespace prunenet
