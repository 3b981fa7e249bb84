// A mask: which FFN neurons of each layer stay. The one thing that selection hands to slicing, as a type and as a file:
// {"layers": [{"index": 0, "keep": [row, ...]}, ...]}
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/description.h"

namespace prunenet {

struct Mask {
  std::vector<std::vector<int64_t>> kept;  // a list for each layer: ascending, without repetition, not empty

  std::vector<int64_t> kept_widths() const;
};

/// Throws kMismatch when the mask does not fit the model: number of layers, rows out of range, repeated or not ascending,
/// or a layer with nothing left. `where` names the mask.
void require_mask_fits(const Mask& mask, const ModelDescription& model, const std::string& where);

/// Reads a mask file. Layers that it does not name stay whole; rows may come in any order; the
/// prunenet.json of an earlier prune is a mask, too. Throws kFormat, kMismatch.
Mask read_mask(const std::filesystem::path& path, const ModelDescription& model);

std::string format_mask(const Mask& mask);

}  // namespace prunenet
