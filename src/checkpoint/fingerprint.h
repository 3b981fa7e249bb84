// What a model is, as a short hash: so that what was found of one is never used for another.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// SHA-256 over config.json (none of a GGUF file), the headers of the weights, and up to three stretches of 4 KiB of
/// every tensor (its start, middle and end). Two checkpoints that differ only between those stretches count as one:
/// reading all weights would cost as much as some of the work that asks.
std::string model_fingerprint(const Checkpoint& checkpoint);

}  // namespace prunenet
