// When an engine keeps one layer in memory at a time without being asked: one rule for the engine and for those who
// plan a run.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "model/description.h"

namespace prunenet {

/// Bytes of the weights that an engine on the CPU converts to the type of its products: they take memory of their own.
/// Those that are stored in that type stay in the checkpoint's mapping, and an embedding that is not the head, too, is
/// looked up there.
int64_t converted_weight_bytes(const Checkpoint& checkpoint, const ModelDescription& model, ComputeType compute);

/// Memory that this process could have without swapping, within the limits of the control groups that it is in
/// (engine/control_group.h), in bytes; 0 where the system does not tell.
int64_t usable_memory_bytes();

/// Whether an engine with these options streams: as asked, or, on the CPU, where so many converted bytes would take
/// more than three quarters of so much memory. A part is left to what the work itself needs. 0 usable bytes: unknown.
bool engine_streams(const EngineOptions& options, int64_t converted_bytes, int64_t usable_bytes);

}  // namespace prunenet
