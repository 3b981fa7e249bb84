// The files that a prune will write, in bytes on the disk, before it has begun.
#pragma once

#include <optional>
#include <span>

#include "cli/estimate.h"
#include "convert/to_gguf.h"

namespace prunenet::cli {

/// Of the text prunenet.json, which lists the neurons that stay: about, and rather too many.
double artefact_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self);

/// What `cut` leaves of a folder, with all that is copied beside the weights, or of a GGUF file.
double written_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self);

/// What more shards than one take: each a block, and their index.
double sharding_bytes(const PlannedCut& cut, uint64_t max_shard_bytes);

/// Tensors of a GGUF file that is made of a folder with the tensors `cut`: as `whole`, the plan of the folder before
/// the cut, has them with matrices in `asked` (nothing: as they are stored).
int64_t gguf_tensor_bytes(const OpenModel& open, std::span<const TensorSpec> cut, const GgufPlan& whole,
                          std::optional<Dtype> asked);

struct GgufSize {
  int64_t tensor_bytes = 0;
  double file_bytes = 0;  // in blocks of the disk; vocabulary and metadata included
};
/// Of the GGUF file that is made of a cut folder. Throws what plan_gguf throws.
GgufSize gguf_size(const OpenModel& open, const PlannedCut& cut, const ToGgufOptions& options);

}  // namespace prunenet::cli
