// Finding the heads of a layer in its stored attention tensors, and the coupled group of its KV groups.
#pragma once

#include "model/family.h"

namespace prunenet {

/// Fills `dims.attention` from the tensors of the layer with the name prefix `layer` ("model.layers.3."), and takes the
/// numbers of heads from them. `dims` comes with what the config says, head_dim included, which also stays where the
/// tensors are missing or do not fit: describing the forward pass says why.
void describe_heads(const TensorLookup& find, const TransformerSpec& spec, const std::string& layer, int64_t index,
                    int64_t hidden, LayerDescription& dims);

}  // namespace prunenet
