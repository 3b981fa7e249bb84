// How much is added to the diagonal of second moments before they are inverted. Everything here is in scaled
// coordinates h_i / sqrt(C_ii), where the diagonal is 1: so it depends on no unit and on no rescaling of a neuron.
#pragma once

#include <cstdint>

namespace prunenet {

/// Arithmetic of the surgeon. kAuto: f64 up to kF64UpToWidth columns, f32 above.
enum class Precision { kAuto, kF32, kF64 };
inline constexpr int64_t kF64UpToWidth = 4096;
/// kF32 or kF64.
Precision resolve(Precision precision, int64_t width);

/// Damping for each input a token: the noise of a moment over N tokens, seen by an inverse of width F, is like F / N.
/// The one constant to tune by measurement.
inline constexpr double kDampingPerInputAndToken = 0.01;
/// The floor in units of F times the rounding unit (2^-24, 2^-53): below it the factorisation's own rounding is larger.
inline constexpr double kDampingFloorInRoundings = 8;

/// kDampingPerInputAndToken F / N + kDampingFloorInRoundings F u, u the rounding unit of the precision. At F = 11008 and
/// 16384 tokens in f32: 0.0067 + 0.0052. tokens = 0 (unknown): as F tokens.
double automatic_damping(int64_t width, int64_t tokens, Precision precision);

/// Tokens for each input column. Below 1 the second moments are singular: worth a warning with this number. Above 4 or
/// so, more tokens bring little.
double tokens_per_input(int64_t width, int64_t tokens);

}  // namespace prunenet
