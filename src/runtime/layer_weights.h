// The weights of a layer as the forward pass uses them, fetched from a WeightSource.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "runtime/product.h"

namespace prunenet {

struct Linear {
  at::Tensor weight, bias;  // [out, in]; [out] or undefined
  at::Tensor operator()(const at::Tensor& x) const { return product(x, weight, bias); }
};

struct Norm {
  at::Tensor gain, bias;  // f32 [D]; bias or undefined
};

struct LayerWeights {
  std::vector<Norm> attention_norm, ffn_norm, query_norm, key_norm;  // one or none
  std::vector<Linear> projections;                                   // query, key, value; or the fused one
  Linear output;
  std::vector<Linear> up;  // gate and up, or the two in one, or up alone
  bool gated = false;
  Linear down;
  at::Tensor slopes;  // alibi, scaled like the scores [kv_heads, queries a kv head]
};

// What the places of a chunk's ids decide, the same for every layer.
struct Positions {
  at::Tensor cosine, sine;  // [N, 1, rotated / 2]
  bool adjacent_pairs = false;
};

}  // namespace prunenet
