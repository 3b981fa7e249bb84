// The walk on libtorch: two residual streams side by side, the dense model's and the changed one's, until the first
// change one and the same.
#pragma once

#include <memory>
#include <vector>

#include "engine/walk.h"
#include "runtime/layer_weights.h"
#include "runtime/site.h"
#include "runtime/torch_engine.h"

namespace prunenet {

class TorchWalk final : public LayerWalk {
 public:
  /// `engine` must outlive it; the ids are checked already.
  TorchWalk(TorchEngine& engine, std::span<const std::vector<TokenId>> sequences);

  int64_t num_tokens() const override { return num_tokens_; }
  SiteMoments measure(int64_t layer, Site site, const std::optional<TargetOptions>& options) override;
  NeuronRefit refit_neurons(int64_t layer, const SiteChange& start, const NeuronRefitOptions& options) override;
  void change(int64_t layer, Site site, const SiteChange& change) override;
  void drop(int64_t layer) override;
  double finish() override;

 private:
  // What a chunk carries through the layers, [n, D] each. What the walk does not need where it stands is let go: while
  // the caller chooses and refits, up to four of them are there.
  struct Part {
    Chunk chunk;
    Positions positions;
    at::Tensor dense, x;  // before the layer, of the dense and of the changed model; within it `dense` is after
    at::Tensor dense_attention_sum;  // of the dense model, x and what attention adds; until the FFN
    at::Tensor dense_sum;  // y and what the FFN adds, of the dense model: `dense` itself, but for post-norm blocks
    at::Tensor y;          // after attention, of the changed model
    at::Tensor inputs;     // of the site where the walk stands; undefined: not computed, or not kept
  };

  SiteMoments compute_moments(int64_t layer, Site site, const std::optional<TargetOptions>& options);
  NeuronRefit compute_refit(int64_t layer, const SiteChange& start, const NeuronRefitOptions& options);
  at::Tensor target_of(const Part& part, Site site, const at::Tensor& inputs, const TargetOptions& options) const;
  void go_to(int64_t layer, Site site);
  void enter(int64_t layer);
  void leave_attention(const ChangedSite* changed);
  void leave_ffn(const SiteChange* change);
  void leave_layer();
  at::Tensor site_inputs(Part& part) const;
  const Linear& matrix(Site site) const;
  void require_finite(const at::Tensor& outputs) const;

  TorchEngine& engine_;
  Transformer& transformer_;
  std::vector<Part> parts_;
  int64_t num_tokens_ = 0;
  int64_t layer_ = -1;  // where the walk stands; -1: before the first
  Site site_ = Site::kAttention;
  bool diverged_ = false;     // the two models differ before this layer
  bool keeps_inputs_ = true;  // the inputs of a site are few enough to be kept for all chunks
  std::shared_ptr<const LayerWeights> block_;
};

}  // namespace prunenet
