// How much is added to the diagonal of second moments before they are inverted. Everything here is in scaled
// coordinates h_i / sqrt(C_ii), where the diagonal is 1: so it depends on no unit and on no rescaling of a neuron.
#pragma once

#include <cstdint>
#include <string>

namespace prunenet {

/// Arithmetic of the surgeon. kAuto: f64 up to kF64UpToWidth columns, f32 above.
enum class Precision { kAuto, kF32, kF64 };
inline constexpr int64_t kF64UpToWidth = 4096;
/// kF32 or kF64.
Precision resolve(Precision precision, int64_t width);

/// Damping for each input a token: the noise of a moment over N tokens, seen by an inverse of width F, is like F / N.
/// Measured on stories260K at 30 %: 1 to 3 is within 1 % of the best KL, from 2 048 to 16 384 tokens; a fixed damping
/// of 1e-4 is as good with many tokens and far worse with few (512 tokens: KL 1.08 instead of 0.86).
inline constexpr double kDampingPerInputAndToken = 2;
/// The floor in units of F times the rounding unit (2^-24, 2^-53): below it the factorisation's own rounding is larger.
inline constexpr double kDampingFloorInRoundings = 8;

/// kDampingPerInputAndToken F / N + kDampingFloorInRoundings F u, u the rounding unit of the precision. At F = 11008
/// and 16384 tokens in f32: 1.34 + 0.0052. tokens = 0 (unknown): as F tokens.
double automatic_damping(int64_t width, int64_t tokens, Precision precision);

/// Tokens for each input column. Below 1 the second moments are singular: worth a warning with this number. Above 4 or
/// so, more tokens bring little.
double tokens_per_input(int64_t width, int64_t tokens);

/// Times that a damping grows (each 10-fold) before moments are given up.
inline constexpr int kMostDampingRaises = 20;
/// Throws kMismatch: even with so much on a diagonal of 1 they are not positive definite.
[[noreturn]] void fail_no_moments(const std::string& where, double damping);

}  // namespace prunenet
