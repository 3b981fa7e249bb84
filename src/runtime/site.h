// A site of a layer that has been changed: the output projection of attention, or down, with fewer inputs.
#pragma once

#include <ATen/ATen.h>

#include <span>

#include "engine/walk.h"
#include "runtime/block.h"

namespace prunenet {

class ChangedSite {
 public:
  /// `original`: what the site has been. The change must fit it (the caller's promise).
  ChangedSite(const SiteChange& change, const Linear& original);
  /// The new outputs [N, D] of the whole inputs [N, F].
  at::Tensor operator()(const at::Tensor& inputs) const;

 private:
  at::Tensor kept_;  // int64 [K]; undefined: all
  Linear linear_;
};

/// A tensor of a plain matrix, which is copied.
at::Tensor to_tensor(const Matrix<float>& matrix);
/// The numbers of a contiguous f32 tensor on the CPU, which must outlive the span.
std::span<const float> numbers_of(const at::Tensor& tensor);

}  // namespace prunenet
