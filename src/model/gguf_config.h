// What the metadata of a GGUF file says of a model, in the words of config.json.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// The key that marks a config made of GGUF metadata; its value is `general.architecture`.
inline constexpr const char* kGgufArchitectureKey = "gguf_architecture";

/// config.json as transformers would have it for the same model (model_type, architectures, sizes, constants of norms and
/// rotary positions, bos_token_id, eos_token_id), with kGgufArchitectureKey, which lets describe_model look for the names
/// and layouts that GGUF gives the tensors. Frequencies that GGUF stores as tensors (rope_freqs, rope_factors_*) are in
/// it too. Throws kUnsupported for an architecture that is not known (named, with those that are) and for constants that
/// no config can state; kFormat for keys that are missing or of another kind.
std::string config_from_gguf(const Checkpoint& checkpoint);

/// The config of any checkpoint: its config.json, or what its metadata says.
std::string config_of(const Checkpoint& checkpoint);

}  // namespace prunenet
