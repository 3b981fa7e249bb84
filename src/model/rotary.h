// The angles of rotary positions, and the ways in which configs stretch them over longer contexts.
#pragma once

#include "model/config.h"
#include "model/transformer.h"

namespace prunenet {

/// Frequencies of `rotated` numbers of a head (even), base `theta`: theta^(-2i / rotated), scaled as the config's
/// `rope_scaling` (or `rope_parameters`) says. Kinds: linear, llama3, yarn, longrope (su), and dynamic, which changes nothing within
/// the stated context. Throws kUnsupported for others, kFormat for factors that make no sense.
RotaryDescription describe_rotary(const Config& config, int64_t rotated, double theta, int64_t max_context);

}  // namespace prunenet
