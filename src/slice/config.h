// The config.json of a cut model.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "slice/slice.h"

namespace prunenet {

struct SlicedConfig {
  std::string text;
  bool uniform = true;                             // the text states every layer as it is
  std::map<std::string, std::string> extra_files;  // that the layout needs beside it
  std::vector<std::string> notes;
};

/// `layers`: sizes of the layers that stay, with padding. Only values that change are written; every other byte stays.
/// Throws kUnsupported and kBadOption for what the layout cannot state.
SlicedConfig slice_config(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask,
                          const std::vector<LayerSizes>& layers, SliceLayout layout);

}  // namespace prunenet
