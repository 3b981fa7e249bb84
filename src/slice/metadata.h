// The metadata of a cut GGUF file: what config.json is in a folder.
#pragma once

#include <string>
#include <vector>

#include "slice/slice.h"

namespace prunenet {

struct SlicedMetadata {
  GgufMetadata metadata;  // every key of the source in its order; new ones at the end
  std::vector<std::string> notes;
};

/// `layers`: sizes of the layers that stay, with padding; `tensors`: what will be stored. Layers of different sizes go
/// under the architecture 'deci', the one of those that this program knows whose sizes llama.cpp reads for each layer.
/// Throws kUnsupported for what the architecture cannot state (named, with the way out); kFormat for keys of a wrong
/// kind.
SlicedMetadata slice_metadata(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                              const std::vector<LayerSizes>& layers, SliceLayout layout,
                              const std::vector<TensorSpec>& tensors);

}  // namespace prunenet
