// Causal attention over packed sequences: scaled scores, window, alibi, softmax, mix. Computed block of queries by
// block, so that memory grows with the length of a sequence and not with its square.
#pragma once

#include <ATen/ATen.h>

namespace prunenet {

struct AttentionShape {
  int64_t kv_heads = 0, queries_per_kv = 0;
  int64_t past = 0;    // keys that were there before the first of these queries
  int64_t window = 0;  // a query sees that many keys, itself included; 0: all
};

/// queries [S, kv_heads, queries_per_kv, n, head_dim], scaled already; keys, values [S, kv_heads, past + n, head_dim];
/// f32, keys and values also bf16 (those of a cache, which are widened a piece at a time). `alibi` [kv_heads,
/// queries_per_kv] is what a key's position is multiplied with and then added to its score; undefined: none. Gives [S,
/// kv_heads, queries_per_kv, n, head_dim]. Differentiable. On the CPU without gradients the work is cut into pieces
/// that depend on the shapes alone, one thread each: the number of threads does not change the result.
at::Tensor attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const at::Tensor& alibi,
                  const AttentionShape& shape);

/// Slopes of Press et al. 2021 for `heads` heads [heads]: 2^(-8 (i + 1) / heads) where heads is a power of two; else
/// those of the next smaller power of two and every other one of the next larger.
at::Tensor alibi_slopes(int64_t heads);

}  // namespace prunenet
