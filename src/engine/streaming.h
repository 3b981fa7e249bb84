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

/// Memory that this process could have without swapping, within the limits of the control groups (version 2) that it is
/// in, in bytes; 0 where the system does not tell.
int64_t usable_memory_bytes();

/// What is left under the limit of one control group, from the text of its memory.max and memory.stat: pages of files
/// can always be dropped. At least 1; 0 where there is no limit.
int64_t control_group_room_bytes(const std::string& max, const std::string& stat);

/// Whether an engine with these options streams: as asked, or, on the CPU, where so many converted bytes would take
/// more than three quarters of so much memory. A part is left to what the work itself needs. 0 usable bytes: unknown.
bool engine_streams(const EngineOptions& options, int64_t converted_bytes, int64_t usable_bytes);

}  // namespace prunenet
