// The sizes of a model that decide what work on it costs.
#pragma once

#include <cstdint>
#include <vector>

#include "model/description.h"

namespace prunenet {

struct LayerShape {
  int64_t width = 0;            // F
  int64_t attention_width = 0;  // inputs of the output projection
  int64_t kv_width = 0;         // numbers of all keys of a token
  bool gated = false;
  bool has_attention = true;

  /// Parameters of the matrices that a token is multiplied with.
  double attention_params(int64_t hidden) const;
  double output_params(int64_t hidden) const;  // of attention's output projection alone
  double up_params(int64_t hidden) const;      // gate and up
  double down_params(int64_t hidden) const;
  double params(int64_t hidden) const;
};

struct ModelShape {
  int64_t hidden = 0, vocab = 0;
  std::vector<LayerShape> layers;
  double stored_bytes = 0;          // of all tensors
  double largest_tensor_bytes = 0;  // as stored
  double view_bytes = 0;            // of the matrix that a policy looks at, as stored; the largest of the layers
  double params = 0;

  double head_params() const { return static_cast<double>(hidden) * static_cast<double>(vocab); }
  double layer_params() const;  // of all layers
  int64_t widest() const;
  int64_t widest_attention() const;
};

ModelShape shape_of(const Checkpoint& checkpoint, const ModelDescription& model);

}  // namespace prunenet
