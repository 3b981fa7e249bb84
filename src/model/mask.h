// A mask: which FFN neurons of each layer stay, and, where they are cut too, which KV groups and which layers. The one
// thing that selection hands to slicing, as a type and as a file:
// {"dropped_layers": [5], "layers": [{"index": 0, "keep": [row, ...], "kept_kv_groups": [0, 2]}, ...]}
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/description.h"

namespace prunenet {

/// Lists are of the source's layers, ascending and without repetition. What is said of a dropped layer does not count.
struct Mask {
  std::vector<std::vector<int64_t>> kept{};            // neurons: a list for each layer, not empty
  std::vector<std::vector<int64_t>> kept_kv_groups{};  // likewise; no list at all: all stay
  std::vector<int64_t> dropped_layers{};

  std::vector<int64_t> kept_widths() const;
  bool drops(int64_t layer) const;
  bool cuts_heads(const ModelDescription& model) const;
};

/// The mask that keeps everything.
Mask whole_mask(const ModelDescription& model);

/// Throws kMismatch when the mask does not fit the model: number of layers, rows, groups or layers out of range,
/// repeated or not ascending, or nothing left of a layer or of the model; kUnsupported, with the reason, where this
/// family's heads or layers cannot go. `where` names the mask.
void require_mask_fits(const Mask& mask, const ModelDescription& model, const std::string& where);

/// Reads a mask file. Layers that it does not name stay whole, as do the neurons or KV groups of an entry without their
/// list; rows may come in any order; the prunenet.json of an earlier prune is a mask, too, and so is a GGUF file that
/// holds one. Throws kFormat, kMismatch,
/// kUnsupported.
Mask read_mask(const std::filesystem::path& path, const ModelDescription& model);

/// The file of a mask. KV groups and dropped layers appear only where there are any to speak of: programs that know
/// "keep" alone read what they understand.
std::string format_mask(const Mask& mask);

}  // namespace prunenet
