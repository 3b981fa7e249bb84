// Quantised blocks read bit by bit, straight from the description of the layouts and in f64: what decoders are held
// against. Every value of these types is a small whole number times f16 scales, plus at most one more such product, and
// so exact in f64: the right f32 is that number rounded once.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/dtype.h"

namespace prunenet::test {

using Block = std::vector<uint8_t>;

inline const std::vector<Dtype> kQuantisedDtypes{Dtype::kQ4_0, Dtype::kQ4_1, Dtype::kQ5_0, Dtype::kQ5_1,
                                                 Dtype::kQ8_0, Dtype::kQ4K,  Dtype::kQ5K,  Dtype::kQ6K};

/// Where the f16 scales of a block lie.
inline std::vector<size_t> scale_offsets(Dtype dtype) {
  if (dtype == Dtype::kQ6K) return {208};
  if (dtype == Dtype::kQ4_0 || dtype == Dtype::kQ5_0 || dtype == Dtype::kQ8_0) return {0};
  return {0, 2};
}

inline double half_at(const Block& block, size_t offset) {
  const int bits = block[offset] | block[offset + 1] << 8;
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

inline int bit_at(const Block& block, size_t byte, size_t bit) {
  return block[byte] >> bit & 1;
}

/// A number whose bits lie side by side.
inline int bits_at(const Block& block, size_t byte, size_t first_bit, size_t count) {
  int number = 0;
  for (size_t b = 0; b < count; ++b) number |= bit_at(block, byte, first_bit + b) << b;
  return number;
}

/// Scale number j (of 8) of Q4_K and Q5_K.
inline int scale_of_k(const Block& block, size_t j) {
  const size_t packed = 4;
  if (j < 4) return bits_at(block, packed + j, 0, 6);
  return bits_at(block, packed + 8 + j - 4, 0, 4) + 16 * bits_at(block, packed + j - 4, 6, 2);
}

inline int minimum_of_k(const Block& block, size_t j) {
  const size_t packed = 4;
  if (j < 4) return bits_at(block, packed + 4 + j, 0, 6);
  return bits_at(block, packed + 8 + j - 4, 4, 4) + 16 * bits_at(block, packed + j, 6, 2);
}

/// Element i of a block.
inline double element_of(const Block& block, Dtype dtype, size_t i) {
  const size_t small_byte = i % 16, small_bit = i < 16 ? 0 : 4;  // nibbles of the blocks of 32
  switch (dtype) {
    case Dtype::kQ4_0:
      return (bits_at(block, 2 + small_byte, small_bit, 4) - 8) * half_at(block, 0);
    case Dtype::kQ4_1:
      return bits_at(block, 4 + small_byte, small_bit, 4) * half_at(block, 0) + half_at(block, 2);
    case Dtype::kQ5_0:
      return (bits_at(block, 6 + small_byte, small_bit, 4) + 16 * bit_at(block, 2 + i / 8, i % 8) - 16) *
             half_at(block, 0);
    case Dtype::kQ5_1:
      return (bits_at(block, 8 + small_byte, small_bit, 4) + 16 * bit_at(block, 4 + i / 8, i % 8)) * half_at(block, 0) +
             half_at(block, 2);
    case Dtype::kQ8_0:
      return (block[2 + i] < 128 ? block[2 + i] : block[2 + i] - 256) * half_at(block, 0);
    case Dtype::kQ4K: {
      const int q = bits_at(block, 16 + 32 * (i / 64) + i % 32, i % 64 < 32 ? 0 : 4, 4);
      return half_at(block, 0) * scale_of_k(block, i / 32) * q - half_at(block, 2) * minimum_of_k(block, i / 32);
    }
    case Dtype::kQ5K: {
      const int q =
          bits_at(block, 48 + 32 * (i / 64) + i % 32, i % 64 < 32 ? 0 : 4, 4) + 16 * bit_at(block, 16 + i % 32, i / 32);
      return half_at(block, 0) * scale_of_k(block, i / 32) * q - half_at(block, 2) * minimum_of_k(block, i / 32);
    }
    default: {  // Q6_K
      const size_t half = i / 128, place = i % 128;
      const int q = bits_at(block, 64 * half + place % 64, place < 64 ? 0 : 4, 4) +
                    16 * bits_at(block, 128 + 32 * half + place % 32, 2 * (place / 32), 2);
      const int scale = block[192 + i / 16] < 128 ? block[192 + i / 16] : block[192 + i / 16] - 256;
      return half_at(block, 208) * scale * (q - 32);
    }
  }
}

/// Random bytes, but scales that are finite.
inline Block random_block(Dtype dtype, std::mt19937_64& random) {
  Block block(dtype_block_bytes(dtype));
  for (uint8_t& byte : block) byte = static_cast<uint8_t>(random());
  for (const size_t offset : scale_offsets(dtype)) {
    if ((block[offset + 1] & 0x7c) == 0x7c) block[offset + 1] &= 0xbb;
  }
  return block;
}

}  // namespace prunenet::test
