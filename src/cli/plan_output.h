// The files that a prune will write, in bytes on the disk, before it has begun.
#pragma once

#include "cli/estimate.h"
#include "convert/to_gguf.h"

namespace prunenet::cli {

/// Of the text prunenet.json, which lists the neurons that stay: about, and rather too many.
double artefact_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self);

/// What `cut` leaves of a folder, with all that is copied beside the weights, or of a GGUF file.
double written_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self);

/// The tensors of a cut folder in a GGUF file: matrices in `type` (nothing: as they are stored), vectors in F32, as
/// plan_gguf has them.
int64_t gguf_tensor_bytes(const PlannedCut& cut, std::optional<Dtype> type);
/// Of the GGUF file that is made of a cut folder, its vocabulary and metadata included. Throws what plan_gguf throws.
double gguf_bytes(const OpenModel& open, const PlannedCut& cut, const ToGgufOptions& options);

}  // namespace prunenet::cli
