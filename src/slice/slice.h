// Cutting: a mask and the coupled groups become the tensors and the config of the new checkpoint, streamed a tensor at a
// time. Knows no method and no family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/checkpoint_writer.h"
#include "model/description.h"
#include "model/mask.h"

namespace prunenet {

/// What becomes of one tensor: nothing, or along `axis` only the `kept` indices stay.
struct TensorCut {
  int axis = 0;
  std::vector<int64_t> kept;  // ascending indices along the axis; empty: the tensor is copied whole
};

/// The new checkpoint, before a byte of it is written.
struct SlicePlan {
  std::vector<TensorSpec> tensors;  // in the order of the source
  std::vector<TensorCut> cuts;      // one for each tensor
  std::string config_text;          // config.json with the new width; unchanged where widths differ between layers
  bool uniform = true;              // every layer has the width that config_text states: stock programs load it
};

/// Throws kMismatch when the mask does not fit the model.
SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask);

struct SliceOptions {
  uint64_t max_shard_bytes = kDefaultMaxShardBytes;
  bool overwrite = false;
  std::map<std::string, std::string> extra_files;  // name -> text, written beside the weights (prunenet.json)
};

/// Writes the folder `target`: weights, config.json, side files, extra files; whole or not at all. Every floating tensor
/// is checked for NaN on the way (kNonFinite, named), cut ones for infinity too. Memory: a few MiB, whatever the model.
/// Returns the bytes of the weight files. Throws kExists, kNoSpace, kIo, kBadOption when target and source overlap.
uint64_t write_slice(const Checkpoint& checkpoint, const SlicePlan& plan, const std::filesystem::path& target,
                     const SliceOptions& options, Progress& progress);

/// Throws kBadOption when one of the two folders lies in the other, kExists when target exists and may not be replaced:
/// to be asked before hours of work.
void require_output_possible(const Checkpoint& checkpoint, const std::filesystem::path& target, bool overwrite);

}  // namespace prunenet
