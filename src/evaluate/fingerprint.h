// What a model and its tokenizer are, as short hashes: so that a journal is never continued with another model.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// SHA-256 over config.json, the headers of the weights, and up to three stretches of 4 KiB of every tensor (its start,
/// middle and end). Two checkpoints that differ only between those stretches count as one: reading all weights would
/// cost as much as the evaluation of a small file.
std::string model_fingerprint(const Checkpoint& checkpoint);

/// SHA-256 over the tokenizer's files in a folder.
std::string tokenizer_fingerprint(const std::filesystem::path& folder);

}  // namespace prunenet
