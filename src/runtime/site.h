// A site of a layer that has been changed: the output projection of attention, or down, with fewer inputs.
#pragma once

#include <ATen/ATen.h>

#include <span>

#include "engine/walk.h"
#include "runtime/layer_weights.h"

namespace prunenet {

class ChangedSite {
 public:
  /// `original`: what the site has been. The change must fit it (the caller's promise).
  ChangedSite(const SiteChange& change, const Linear& original);
  /// The new outputs [N, D] of the whole inputs [N, F]; where the neurons were refitted too, of their new numbers [N,
  /// K].
  at::Tensor operator()(const at::Tensor& inputs) const;

 private:
  at::Tensor kept_;  // int64 [K]; undefined: all
  Linear linear_;
};

/// The first matrices of an FFN: gate and up, stacked or apart, become those of `rows`.
LayerWeights with_rows(const LayerWeights& block, const FfnRows& rows);

/// A tensor of a plain matrix, which is copied.
at::Tensor to_tensor(const Matrix<float>& matrix);
/// The numbers of a contiguous f32 tensor on the CPU, which must outlive the span.
std::span<const float> numbers_of(const at::Tensor& tensor);

}  // namespace prunenet
