// What config.json says of the scaling of rotary positions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/config.h"
#include "model/transformer.h"

namespace prunenet {

/// The config's words on it, wherever they stand (rope_scaling, or rope_parameters of newer ones).
std::optional<Config> rotary_scaling(const Config& config);
/// "default", "linear", "llama3", "yarn", "longrope" ...
std::string scaling_kind(const Config& config);
double rotary_theta(const Config& config);
/// Numbers of a head that turn; 0 without rotary positions.
int64_t rotated(const TransformerDescription& transformer);

}  // namespace prunenet
