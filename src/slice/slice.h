// Cutting: a mask and the coupled groups become the tensors and the config of the new checkpoint, streamed a tensor at
// a time. Neurons, KV groups and whole layers go; tensors whose values were computed anew take the place of stored
// ones. A folder becomes a folder, a GGUF file a GGUF file. Knows no method and no family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/checkpoint_writer.h"
#include "checkpoint/gguf_metadata.h"
#include "model/description.h"
#include "model/mask.h"

namespace prunenet {

enum class SliceLayout {
  kStock,   // the source's own layout: one width for all layers, or a config that does not tell the widths. Of a GGUF
            // file, layers that differ go under the architecture 'deci'
  kPadded,  // likewise, with zero neurons after the kept ones up to one common width: loads wherever the source does
  kDeci,    // DeciLM (model_type nemotron-nas): every layer states its width, a multiple of 256 (model/deci.h). In GGUF
            // its architecture is 'deci', and states any width
};

/// What is to become of a checkpoint. Names and indices are the source's.
struct Edits {
  Mask mask{};  // no lists: all stays
  /// Bytes that take the place of a stored tensor's, in its replacement_dtype and in its shape after the cut, before
  /// padding (see encode_matrix). The caller keeps them alive until the slice is written.
  std::map<std::string, std::span<const std::byte>> replaced{};
  SliceLayout layout = SliceLayout::kStock;
  int64_t padded_width = 0;  // of every layer (kPadded); 0: the widest that is kept, or what the format makes of it (a
                             // multiple of 256 for DeciLM, of 32 for quantised tensors)
};

inline constexpr int64_t kZeros = -1;

/// What becomes of one tensor: nothing, or along `axis` only the `kept` indices stay. Bytes are copied, of quantised
/// types too: whole rows, and whole blocks where the kept columns fill them.
struct TensorCut {
  size_t source = 0;  // its place among the checkpoint's tensors
  int axis = 0;
  std::vector<int64_t> kept{};            // indices along the axis, kZeros for zeros; empty: the tensor is copied whole
  std::span<const std::byte> replaced{};  // these bytes instead of the stored ones; `kept` are indices of them
  Dtype dtype = Dtype::kF32;              // of the bytes that are cut; what is written is the plan's TensorSpec
  bool recoded = false;                   // the kept columns do not fill blocks: decoded, and encoded in the new type
};

/// The new checkpoint, before a byte of it is written.
struct SlicePlan {
  std::vector<TensorSpec> tensors;  // under their new names, in the order of the source
  std::vector<TensorCut> cuts;      // one for each tensor
  std::string config_text;  // config.json with the new sizes; what differs between layers and cannot be stated stays
  GgufMetadata metadata;    // instead, where the source is a GGUF file: all of its keys, with the new sizes
  bool uniform = true;      // every layer is as config_text states: programs that load the source's kind load it
  std::map<std::string, std::string> extra_files;  // name -> text, to be written beside the weights
  std::vector<std::string> notes;                  // what a person should know of the programs that are to load it
  std::vector<std::string> warnings;               // what is quantised anew, and what that takes
};

/// Throws kMismatch when the mask does not fit the model or replaced bytes do not fit their tensor, kUnsupported where
/// the model's config cannot state the result (named, with the reason), kBadOption for widths that the layout cannot
/// state. Quantised tensors whose columns are cut and do not fill blocks become Q8_0, or F16 where that needs another
/// width: a note counts them.
SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Edits& edits);
SlicePlan plan_slice(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask);

struct SliceOptions {
  uint64_t max_shard_bytes = kDefaultMaxShardBytes;
  bool overwrite = false;
  std::map<std::string, std::string> extra_files;  // name -> text, written beside the weights (prunenet.json); in GGUF
                                                   // strings of the metadata (see metadata_key)
};

/// Writes the folder `target` (weights, config.json, side files, extra files) or, of a GGUF file, the file `target`;
/// whole or not at all. Every floating tensor is checked for NaN on the way (kNonFinite, named), cut ones for infinity
/// too; of quantised ones their scales. Memory: a few MiB, whatever the model. Returns the bytes of the weight files.
/// Throws kExists, kNoSpace, kIo, kBadOption when target and source overlap.
uint64_t write_slice(const Checkpoint& checkpoint, const SlicePlan& plan, const std::filesystem::path& target,
                     const SliceOptions& options, Progress& progress);

/// The key under which a GGUF file holds an extra file: "prunenet.json" stays, "mask.json" is "prunenet.mask".
std::string metadata_key(const std::string& file_name);

/// Throws kBadOption when one of the two folders lies in the other or both are the same file, kExists when target
/// exists and may not be replaced: to be asked before hours of work.
void require_output_possible(const Checkpoint& checkpoint, const std::filesystem::path& target, bool overwrite);

}  // namespace prunenet
