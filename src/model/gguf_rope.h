// Rotary positions as GGUF states them, in the words of config.json.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/gguf_reader.h"

namespace prunenet {

/// The base of the frequencies.
double gguf_rope_theta(const GgufReader& reader);

/// How the context is stretched: the value of `rope_scaling`, or null. Factors that are stored as tensors are in it;
/// those of LLaMA 3 become the rule that they were made by, any others a longrope. Throws kUnsupported for a scaling of
/// another kind or for two at once, kFormat for constants that make no sense, kMismatch for factors of another length.
nlohmann::json gguf_rope_scaling(const Checkpoint& checkpoint, const GgufReader& reader, const GgufSizes& sizes);

/// The fraction whose product with the head size is the number of turned ones, as programs compute it.
double gguf_rotary_fraction(const GgufSizes& sizes);

}  // namespace prunenet
