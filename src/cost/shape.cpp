// Sizes out of a description.
#include "cost/shape.h"

#include <algorithm>

namespace prunenet {

double LayerShape::output_params(int64_t hidden) const {
  return has_attention ? static_cast<double>(attention_width) * static_cast<double>(hidden) : 0;
}

double LayerShape::attention_params(int64_t hidden) const {
  if (!has_attention) return 0;
  return 2 * output_params(hidden) + 2 * static_cast<double>(kv_width) * static_cast<double>(hidden);
}

double LayerShape::up_params(int64_t hidden) const {
  return (gated ? 2 : 1) * down_params(hidden);
}

double LayerShape::down_params(int64_t hidden) const {
  return static_cast<double>(width) * static_cast<double>(hidden);
}

double LayerShape::params(int64_t hidden) const {
  return attention_params(hidden) + up_params(hidden) + down_params(hidden);
}

double ModelShape::layer_params() const {
  double sum = 0;
  for (const LayerShape& layer : layers) sum += layer.params(hidden);
  return sum;
}

int64_t ModelShape::widest() const {
  int64_t widest = 0;
  for (const LayerShape& layer : layers) widest = std::max(widest, layer.width);
  return widest;
}

int64_t ModelShape::widest_attention() const {
  int64_t widest = 0;
  for (const LayerShape& layer : layers) widest = std::max(widest, layer.attention_width);
  return widest;
}

ModelShape shape_of(const Checkpoint& checkpoint, const ModelDescription& model) {
  ModelShape shape;
  shape.hidden = model.hidden;
  shape.vocab = model.vocab;
  for (const LayerDescription& layer : model.layers) {
    LayerShape one;
    one.width = layer.ffn.neurons.width;
    one.attention_width = layer.heads * layer.head_dim;
    one.kv_width = layer.kv_heads * layer.head_dim;
    one.gated = layer.ffn.gate.has_value();
    one.has_attention = !layer.attention.output.tensor.empty();
    shape.layers.push_back(one);
    const Checkpoint::Entry& view = checkpoint.at(layer.ffn.policy_view().tensor);
    shape.view_bytes = std::max(shape.view_bytes, static_cast<double>(view.stored.spec.size_bytes()));
  }
  std::vector<TensorSpec> specs;
  for (const auto& entry : checkpoint.tensors()) {
    specs.push_back(entry.stored.spec);
    const auto bytes = static_cast<double>(entry.stored.spec.size_bytes());
    shape.stored_bytes += bytes;
    shape.largest_tensor_bytes = std::max(shape.largest_tensor_bytes, bytes);
  }
  shape.params = static_cast<double>(measure_size(model, specs).params);
  return shape;
}

}  // namespace prunenet
