// Decoding of quantised blocks and encoding of Q8_0. The loops have fixed lengths and no branches, so that the compiler
// vectorises them; products and sums stand in the order of ggml's reference, which makes the results equal to the bit.
#include "base/quantised.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr size_t kSmallBlock = 32;
constexpr size_t kLargeBlock = 256;

const uint8_t* bytes_of(const std::byte* source) {
  return reinterpret_cast<const uint8_t*>(source);
}

uint16_t load_u16(const uint8_t* source) {
  uint16_t word;
  std::memcpy(&word, source, sizeof word);
  return word;
}

float load_f16(const uint8_t* source) {
  return f32_from_f16(load_u16(source));
}

// Byte j of 16 holds element j in its lower half and element j + 16 in its upper one.
void decode_q4_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const uint8_t* nibbles = block + 2;
  for (size_t j = 0; j < kSmallBlock / 2; ++j) {
    out[j] = static_cast<float>((nibbles[j] & 15) - 8) * d;
    out[j + kSmallBlock / 2] = static_cast<float>((nibbles[j] >> 4) - 8) * d;
  }
}

void decode_q4_1(const uint8_t* block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  const uint8_t* nibbles = block + 4;
  for (size_t j = 0; j < kSmallBlock / 2; ++j) {
    out[j] = static_cast<float>(nibbles[j] & 15) * d + m;
    out[j + kSmallBlock / 2] = static_cast<float>(nibbles[j] >> 4) * d + m;
  }
}

// Numbers of 5 bits: nibbles as in Q4_0, and bit j of a little-endian word is the fifth bit of element j.
std::array<int, kSmallBlock> five_bits(const uint8_t* fifth, const uint8_t* nibbles) {
  uint32_t word;
  std::memcpy(&word, fifth, sizeof word);
  std::array<int, kSmallBlock> numbers;
  for (uint32_t j = 0; j < kSmallBlock / 2; ++j) {
    numbers[j] = (nibbles[j] & 15) | static_cast<int>((word >> j & 1u) << 4);
    numbers[j + kSmallBlock / 2] = (nibbles[j] >> 4) | static_cast<int>((word >> (j + kSmallBlock / 2) & 1u) << 4);
  }
  return numbers;
}

void decode_q5_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const auto numbers = five_bits(block + 2, block + 6);
  for (size_t j = 0; j < kSmallBlock; ++j) out[j] = static_cast<float>(numbers[j] - 16) * d;
}

void decode_q5_1(const uint8_t* block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  const auto numbers = five_bits(block + 4, block + 8);
  for (size_t j = 0; j < kSmallBlock; ++j) out[j] = static_cast<float>(numbers[j]) * d + m;
}

void decode_q8_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  for (size_t j = 0; j < kSmallBlock; ++j) out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
}

// The scales of Q4_K and Q5_K: for each 32 elements a scale and a minimum of 6 bits, 16 numbers in 12 bytes. The first
// four of either are the lower 6 bits of bytes 0..3 and 4..7; of the last four, bytes 8..11 hold the lower nibbles and
// the upper two bits of bytes 0..7 the rest.
struct ScalesAndMinima {
  std::array<uint8_t, 8> scale, minimum;
};

ScalesAndMinima unpack_scales(const uint8_t* packed) {
  ScalesAndMinima found;
  for (size_t j = 0; j < 4; ++j) {
    found.scale[j] = packed[j] & 63;
    found.minimum[j] = packed[j + 4] & 63;
    found.scale[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    found.minimum[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
  return found;
}

// 32 bytes hold 64 elements: the first 32 in the lower halves, the next 32 in the upper ones.
void decode_q4_k(const uint8_t* block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  const ScalesAndMinima scales = unpack_scales(block + 4);
  const uint8_t* nibbles = block + 16;
  for (size_t pair = 0; pair < 4; ++pair, nibbles += 32, out += 64) {
    const float scale = d * scales.scale[2 * pair], minimum = m * scales.minimum[2 * pair];
    const float next_scale = d * scales.scale[2 * pair + 1], next_minimum = m * scales.minimum[2 * pair + 1];
    for (size_t j = 0; j < 32; ++j) {
      out[j] = scale * static_cast<float>(nibbles[j] & 15) - minimum;
      out[j + 32] = next_scale * static_cast<float>(nibbles[j] >> 4) - next_minimum;
    }
  }
}

// Nibbles as in Q4_K; bit k of byte j of 32 is the fifth bit of element 32 k + j.
void decode_q5_k(const uint8_t* block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  const ScalesAndMinima scales = unpack_scales(block + 4);
  const uint8_t* fifth = block + 16;
  const uint8_t* nibbles = block + 48;
  for (size_t pair = 0; pair < 4; ++pair, nibbles += 32, out += 64) {
    const float scale = d * scales.scale[2 * pair], minimum = m * scales.minimum[2 * pair];
    const float next_scale = d * scales.scale[2 * pair + 1], next_minimum = m * scales.minimum[2 * pair + 1];
    for (size_t j = 0; j < 32; ++j) {
      const int low = (nibbles[j] & 15) | (fifth[j] >> (2 * pair) & 1) << 4;
      const int high = (nibbles[j] >> 4) | (fifth[j] >> (2 * pair + 1) & 1) << 4;
      out[j] = scale * static_cast<float>(low) - minimum;
      out[j + 32] = next_scale * static_cast<float>(high) - next_minimum;
    }
  }
}

// Each half of the block: 64 bytes of nibbles hold 128 elements, a run of 64 in the lower halves and one in the upper;
// byte j of 32 holds the upper two bits of elements j, j + 32, j + 64 and j + 96. A scale for each 16 elements.
void decode_q6_k(const uint8_t* block, float* out) {
  const float d = load_f16(block + 208);
  for (size_t half = 0; half < 2; ++half, out += 128) {
    const uint8_t* low = block + 64 * half;
    const uint8_t* high = block + 128 + 32 * half;
    std::array<float, 8> scale;
    for (size_t k = 0; k < 8; ++k) scale[k] = d * static_cast<int8_t>(block[192 + 8 * half + k]);
    for (size_t run = 0; run < 2; ++run) {  // of 16 elements in each quarter
      for (size_t j = 16 * run; j < 16 * run + 16; ++j) {
        out[j] = scale[run] * static_cast<float>(((low[j] & 15) | (high[j] & 3) << 4) - 32);
        out[j + 32] = scale[run + 2] * static_cast<float>(((low[j + 32] & 15) | (high[j] >> 2 & 3) << 4) - 32);
        out[j + 64] = scale[run + 4] * static_cast<float>(((low[j] >> 4) | (high[j] >> 4 & 3) << 4) - 32);
        out[j + 96] = scale[run + 6] * static_cast<float>(((low[j + 32] >> 4) | (high[j] >> 6) << 4) - 32);
      }
    }
  }
}

template <size_t elements, size_t block_bytes, typename Decode>
void decode_all(const std::byte* source, size_t blocks, float* destination, Decode decode) {
  for (size_t i = 0; i < blocks; ++i) decode(bytes_of(source) + i * block_bytes, destination + i * elements);
}

// Where the f16 scales of a block lie: one or two, side by side.
struct ScalePlace {
  size_t offset, count;
};

ScalePlace scale_place(Dtype dtype) {
  switch (dtype) {
    case Dtype::kQ4_0:
    case Dtype::kQ5_0:
    case Dtype::kQ8_0:
      return {0, 1};
    case Dtype::kQ6K:
      return {208, 1};
    default:
      return {0, 2};
  }
}

}  // namespace

void decode_blocks(const std::byte* source, Dtype dtype, size_t blocks, float* destination) {
  switch (dtype) {
    case Dtype::kQ4_0:
      return decode_all<kSmallBlock, 18>(source, blocks, destination, decode_q4_0);
    case Dtype::kQ4_1:
      return decode_all<kSmallBlock, 20>(source, blocks, destination, decode_q4_1);
    case Dtype::kQ5_0:
      return decode_all<kSmallBlock, 22>(source, blocks, destination, decode_q5_0);
    case Dtype::kQ5_1:
      return decode_all<kSmallBlock, 24>(source, blocks, destination, decode_q5_1);
    case Dtype::kQ8_0:
      return decode_all<kSmallBlock, 34>(source, blocks, destination, decode_q8_0);
    case Dtype::kQ4K:
      return decode_all<kLargeBlock, 144>(source, blocks, destination, decode_q4_k);
    case Dtype::kQ5K:
      return decode_all<kLargeBlock, 176>(source, blocks, destination, decode_q5_k);
    case Dtype::kQ6K:
      return decode_all<kLargeBlock, 210>(source, blocks, destination, decode_q6_k);
    default:
      PRUNENET_CHECK(dtype_is_quantised(dtype));
  }
}

bool encode_q8_0(const float* values, size_t blocks, std::byte* destination) {
  for (size_t block = 0; block < blocks; ++block, values += kSmallBlock, destination += 2 + kSmallBlock) {
    uint32_t largest = 0;  // of the magnitudes' bits, which are ordered as the numbers are; NaN lies above all
    for (size_t j = 0; j < kSmallBlock; ++j) {
      largest = std::max(largest, std::bit_cast<uint32_t>(values[j]) & 0x7fffffffu);
    }
    if (largest >= 0x7f800000u) return false;
    const float d = std::bit_cast<float>(largest) / 127.0f;
    const uint16_t stored = f16_from_f32(d);
    if ((stored & 0x7c00u) == 0x7c00u) return false;
    std::memcpy(destination, &stored, sizeof stored);
    // The numbers are divided by the scale as it was before it became f16. So small a scale that its inverse is
    // infinite is stored as zero; the numbers then are zeros too.
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const float factor = std::isfinite(inverse) ? inverse : 0.0f;
    std::array<int8_t, kSmallBlock> quants;
    for (size_t j = 0; j < kSmallBlock; ++j) {
      const float scaled = values[j] * factor;
      const int whole = static_cast<int>(scaled);
      const float rest = scaled - static_cast<float>(whole);  // exact; halves go away from zero
      quants[j] = static_cast<int8_t>(whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0));
    }
    std::memcpy(destination + 2, quants.data(), quants.size());
  }
  return true;
}

Finiteness worst_scale(std::span<const std::byte> bytes, Dtype dtype) {
  const ScalePlace place = scale_place(dtype);
  const size_t block_bytes = dtype_block_bytes(dtype);
  uint16_t worst = 0;
  for (size_t start = 0; start + block_bytes <= bytes.size(); start += block_bytes) {
    const uint8_t* scales = bytes_of(bytes.data()) + start + place.offset;
    for (size_t k = 0; k < place.count; ++k) {
      worst = std::max(worst, static_cast<uint16_t>(load_u16(scales + 2 * k) & 0x7fffu));
    }
  }
  return worst > 0x7c00u ? Finiteness::kNan : worst == 0x7c00u ? Finiteness::kInfinity : Finiteness::kFinite;
}

}  // namespace prunenet
