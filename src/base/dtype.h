// Element types of stored tensors, their sizes, and widening of the floating ones to f32 or f64.
// Follows the dtype names of the safetensors format. Nothing here knows where the bytes come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace prunenet {

enum class Dtype {
  kF64, kF32, kF16, kBf16, kI64, kI32, kI16, kI8, kU64, kU32, kU16, kU8, kBool, kF8E4M3, kF8E5M2,
  // Quantised in blocks of elements that share scales; of GGUF only (quantised.h).
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ4K, kQ5K, kQ6K,
};

/// Name as safetensors writes it, e.g. "BF16"; as ggml writes it for the quantised types, e.g. "Q4_K".
std::string_view dtype_name(Dtype dtype);

/// The dtype of a safetensors name; nothing for a name that the format (or this program) does not know.
std::optional<Dtype> dtype_from_name(std::string_view name);

/// Bytes of one element: 1, 2, 4 or 8. Quantised types have no such size: asking is a defect.
size_t dtype_size_bytes(Dtype dtype);

/// Elements that are stored together: 1, 32 or 256. A row holds a whole number of blocks.
int64_t dtype_block_elements(Dtype dtype);
/// Bytes of a block.
size_t dtype_block_bytes(Dtype dtype);
/// Bytes of `elements`, a whole number of blocks.
uint64_t dtype_bytes(Dtype dtype, uint64_t elements);
bool dtype_is_quantised(Dtype dtype);

/// True for the types whose values this program computes with: F64, F32, F16, BF16 and the quantised ones.
bool dtype_is_computable(Dtype dtype);

/// True for every floating type, the 8-bit ones included.
bool dtype_is_floating(Dtype dtype);

float f32_from_f16(uint16_t bits);
float f32_from_bf16(uint16_t bits);
/// Rounds to nearest, ties to even. NaN stays NaN.
uint16_t bf16_from_f32(float value);
/// Likewise; what is beyond the largest half becomes infinity.
uint16_t f16_from_f32(float value);

/// Widens `count` elements of a computable dtype to Real (float or double). F64 to float rounds; a value beyond f32's
/// range becomes infinity and is then refused where weights are checked. Quantised types: whole blocks. `source` needs
/// no alignment.
template <typename Real>
void widen(const std::byte* source, Dtype dtype, size_t count, Real* destination);

/// Stores `count` numbers as a type that can be written: F64, F32, F16, BF16, or Q8_0 (whole blocks; to the bit what
/// ggml's reference quantiser writes). False when a number is not finite or beyond the range of the type; what is stored
/// then is of no use. `destination` needs no alignment.
bool narrow(const float* values, size_t count, Dtype dtype, std::byte* destination);
bool dtype_can_be_written(Dtype dtype);

/// Finite: no NaN, no infinity.
enum class Finiteness { kFinite, kInfinity, kNan };

/// The worst kind of value among `bytes` (a whole number of elements). Integers and F8 types count as finite.
/// Of quantised types the scales are looked at. Cost: one pass at memory speed.
Finiteness worst_value(std::span<const std::byte> bytes, Dtype dtype);

}  // namespace prunenet
