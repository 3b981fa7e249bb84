// How far the predictions of two models are apart, token by token.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "runtime/transformer.h"

namespace prunenet {

/// Rows of a chunk that predict a token of their own sequence: all but the last of each. int64, ascending.
at::Tensor predicting_rows(const Chunk& chunk);

/// KL(p || q) of every row, in nats, of two tensors of logits [N, vocab], f32. Computed in f64; the same bits for any
/// number of threads. At least 0.
std::vector<float> kl_of_logits(const at::Tensor& p, const at::Tensor& q);

}  // namespace prunenet
