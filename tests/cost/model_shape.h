// Models of a given size to count by.
#pragma once

#include "cost/shape.h"

namespace prunenet::test {

/// Of equal layers, stored in two bytes a parameter.
inline ModelShape shape_of_width(int64_t hidden, int64_t width, size_t layers, bool gated) {
  ModelShape shape;
  shape.hidden = hidden;
  shape.vocab = 100;
  LayerShape layer;
  layer.width = width;
  layer.attention_width = layer.kv_width = hidden;
  layer.gated = gated;
  shape.layers.assign(layers, layer);
  shape.params = shape.layer_params() + 2 * shape.head_params();
  shape.stored_bytes = 2 * shape.params;
  return shape;
}

}  // namespace prunenet::test
