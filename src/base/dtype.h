// Element types of stored tensors, their sizes, and widening of the floating ones to f32 or f64.
// Follows the dtype names of the safetensors format. Nothing here knows where the bytes come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace prunenet {

enum class Dtype { kF64, kF32, kF16, kBf16, kI64, kI32, kI16, kI8, kU64, kU32, kU16, kU8, kBool, kF8E4M3, kF8E5M2 };

/// Name as safetensors writes it, e.g. "BF16".
std::string_view dtype_name(Dtype dtype);

/// The dtype of a safetensors name; nothing for a name that the format (or this program) does not know.
std::optional<Dtype> dtype_from_name(std::string_view name);

/// Bytes of one element: 1, 2, 4 or 8.
size_t dtype_size_bytes(Dtype dtype);

/// True for the types whose values this program computes with: F64, F32, F16, BF16.
bool dtype_is_computable(Dtype dtype);

/// True for every floating type, the 8-bit ones included.
bool dtype_is_floating(Dtype dtype);

float f32_from_f16(uint16_t bits);
float f32_from_bf16(uint16_t bits);
/// Rounds to nearest, ties to even. NaN stays NaN.
uint16_t bf16_from_f32(float value);

/// Widens `count` elements of a computable dtype to Real (float or double). F64 to float rounds; a value beyond f32's
/// range becomes infinity and is then refused where weights are checked. `source` needs no alignment.
template <typename Real>
void widen(const std::byte* source, Dtype dtype, size_t count, Real* destination);

/// Finite: no NaN, no infinity.
enum class Finiteness { kFinite, kInfinity, kNan };

/// The worst kind of value among `bytes` (a whole number of elements). Integers and F8 types count as finite.
/// Cost: one pass at memory speed.
Finiteness worst_value(std::span<const std::byte> bytes, Dtype dtype);

}  // namespace prunenet
