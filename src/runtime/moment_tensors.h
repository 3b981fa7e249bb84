// Moments of tensors, where the tensors lie: on the CPU they go to the accumulator of the moments room, whose bits do
// not depend on the number of threads; on another device they are summed there, and only averages come back.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "moments/accumulator.h"

namespace prunenet {

class MomentTensors {
 public:
  /// `inputs` F and `outputs` D as in MomentAccumulator. `device`: where the tensors lie. `in_torch`: sum in torch on
  /// the CPU, too (what a GPU does, for tests).
  MomentTensors(int64_t inputs, int64_t outputs, at::Device device, bool in_torch, std::string where);

  /// Adds n tokens: `h` [n, F] of any floating type and, where outputs > 0, `targets` [n, D]. Throws kNonFinite, naming
  /// `where`, when one holds NaN or infinity.
  ///
  /// On a device each call is one f32 product, added in f32 in the order of the calls; sums of means and of |t|^2 are
  /// f64. Error over calls of n tokens as the accumulator's with panels of n. Device memory: 4 F^2 + 4 D F bytes.
  void add(const at::Tensor& h, const at::Tensor& targets = {});

  /// The averages. Throws kNonFinite when a product left the range of f32.
  CollectedMoments finish();

 private:
  void require_finite(const at::Tensor& rows, const at::Tensor& sums, const char* what) const;

  int64_t inputs_, outputs_;
  std::string where_;
  std::optional<MomentAccumulator> host_;
  int64_t tokens_ = 0;
  at::Tensor second_, cross_;             // f32 [F, F], [D, F]
  at::Tensor sum_, target_sum_, energy_;  // f64 [F], [D], []
};

}  // namespace prunenet
