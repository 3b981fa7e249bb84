// Element types: names, sizes, widening, narrowing, and the scan for NaN and infinity.
#include "base/dtype.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/error.h"
#include "base/quantised.h"

namespace prunenet {
namespace {

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  size_t block_bytes;
  int64_t block_elements = 1;
};

constexpr size_t kSafetensorsDtypes = 15;  // the first ones; the others are of GGUF only

constexpr std::array<DtypeRow, 23> kDtypes{
    {{Dtype::kF64, "F64", 8},         {Dtype::kF32, "F32", 4},        {Dtype::kF16, "F16", 2},
     {Dtype::kBf16, "BF16", 2},       {Dtype::kI64, "I64", 8},        {Dtype::kI32, "I32", 4},
     {Dtype::kI16, "I16", 2},         {Dtype::kI8, "I8", 1},          {Dtype::kU64, "U64", 8},
     {Dtype::kU32, "U32", 4},         {Dtype::kU16, "U16", 2},        {Dtype::kU8, "U8", 1},
     {Dtype::kBool, "BOOL", 1},       {Dtype::kF8E4M3, "F8_E4M3", 1}, {Dtype::kF8E5M2, "F8_E5M2", 1},
     {Dtype::kQ4_0, "Q4_0", 18, 32},  {Dtype::kQ4_1, "Q4_1", 20, 32}, {Dtype::kQ5_0, "Q5_0", 22, 32},
     {Dtype::kQ5_1, "Q5_1", 24, 32},  {Dtype::kQ8_0, "Q8_0", 34, 32}, {Dtype::kQ4K, "Q4_K", 144, 256},
     {Dtype::kQ5K, "Q5_K", 176, 256}, {Dtype::kQ6K, "Q6_K", 210, 256}}};

const DtypeRow& row_of(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)];
}

template <typename Word>
Word load(const std::byte* source) {
  Word word;
  std::memcpy(&word, source, sizeof word);
  return word;
}

// The exponent is all ones for infinity and NaN; a mantissa that is not zero tells NaN. In unsigned words with the
// sign shifted out, both become comparisons that the compiler vectorises.
template <typename Word>
Finiteness scan(std::span<const std::byte> bytes, Word infinity) {
  const size_t count = bytes.size() / sizeof(Word);
  const std::byte* data = bytes.data();
  constexpr size_t kBlock = 4096;
  Word worst = 0;
  for (size_t start = 0; start < count; start += kBlock) {
    const size_t end = std::min(count, start + kBlock);
    for (size_t i = start; i < end; ++i) {
      const Word magnitude = static_cast<Word>(load<Word>(data + i * sizeof(Word)) << 1);
      worst = magnitude > worst ? magnitude : worst;
    }
  }
  const Word limit = static_cast<Word>(infinity << 1);
  return worst > limit ? Finiteness::kNan : worst == limit ? Finiteness::kInfinity : Finiteness::kFinite;
}

}  // namespace

std::string_view dtype_name(Dtype dtype) {
  return row_of(dtype).name;
}

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (const DtypeRow& row : std::span(kDtypes).first(kSafetensorsDtypes)) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

size_t dtype_size_bytes(Dtype dtype) {
  PRUNENET_CHECK(!dtype_is_quantised(dtype));
  return row_of(dtype).block_bytes;
}

int64_t dtype_block_elements(Dtype dtype) {
  return row_of(dtype).block_elements;
}

size_t dtype_block_bytes(Dtype dtype) {
  return row_of(dtype).block_bytes;
}

uint64_t dtype_bytes(Dtype dtype, uint64_t elements) {
  const DtypeRow& row = row_of(dtype);
  const auto block = static_cast<uint64_t>(row.block_elements);
  PRUNENET_CHECK(elements % block == 0);
  return elements / block * row.block_bytes;
}

bool dtype_is_quantised(Dtype dtype) {
  return row_of(dtype).block_elements > 1;
}

bool dtype_is_computable(Dtype dtype) {
  return dtype == Dtype::kF64 || dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBf16 ||
         dtype_is_quantised(dtype);
}

bool dtype_can_be_written(Dtype dtype) {
  return dtype == Dtype::kF64 || dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBf16 ||
         dtype == Dtype::kQ8_0;
}

bool dtype_is_floating(Dtype dtype) {
  return dtype_is_computable(dtype) || dtype == Dtype::kF8E4M3 || dtype == Dtype::kF8E5M2;
}

float f32_from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t bf16_from_f32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float f32_from_f16(uint16_t bits) {
  // Shift exponent and mantissa into place and mend the exponent's bias by a multiplication, which also makes
  // subnormal halves right; infinity and NaN get the exponent of f32.
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t rest = static_cast<uint32_t>(bits & 0x7fffu) << 13;
  const float magnitude = std::bit_cast<float>(rest) * 0x1p112f;
  const uint32_t special = (bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | sign);
}

uint16_t f16_from_f32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65520, half a step above 65504
  if (magnitude < 0x38800000u) {
    // Below 2^-14 halves are whole multiples of 2^-24, which is the step of f32 at one half: the sum rounds to them.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);  // a carry moves into the exponent
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

namespace {

// Decodes through a buffer that stays in the first cache where the numbers are wanted as f64.
template <typename Real>
void widen_blocks(const std::byte* source, Dtype dtype, size_t count, Real* destination) {
  const auto block = static_cast<size_t>(dtype_block_elements(dtype));
  PRUNENET_CHECK(count % block == 0);
  if constexpr (std::is_same_v<Real, float>) {
    decode_blocks(source, dtype, count / block, destination);
  } else {
    std::array<float, 256> buffer;
    for (size_t done = 0; done < count; done += block, source += dtype_block_bytes(dtype)) {
      decode_blocks(source, dtype, 1, buffer.data());
      std::copy_n(buffer.begin(), block, destination + done);
    }
  }
}

template <typename Word, typename Convert>
bool narrow_each(const float* values, size_t count, std::byte* destination, Convert convert) {
  bool in_range = true;
  for (size_t i = 0; i < count; ++i) {
    const Word word = convert(values[i], in_range);
    std::memcpy(destination + i * sizeof(Word), &word, sizeof word);
  }
  return in_range;
}

bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7f800000u) != 0x7f800000u;
}

}  // namespace

bool narrow(const float* values, size_t count, Dtype dtype, std::byte* destination) {
  switch (dtype) {
    case Dtype::kF64:
      return narrow_each<double>(values, count, destination, [](float value, bool& in_range) {
        in_range &= is_finite(value);
        return static_cast<double>(value);
      });
    case Dtype::kF32:
      return narrow_each<float>(values, count, destination, [](float value, bool& in_range) {
        in_range &= is_finite(value);
        return value;
      });
    case Dtype::kF16:
      return narrow_each<uint16_t>(values, count, destination, [](float value, bool& in_range) {
        const uint16_t bits = f16_from_f32(value);
        in_range &= (bits & 0x7c00u) != 0x7c00u;
        return bits;
      });
    case Dtype::kBf16:
      return narrow_each<uint16_t>(values, count, destination, [](float value, bool& in_range) {
        const uint16_t bits = bf16_from_f32(value);
        in_range &= (bits & 0x7f80u) != 0x7f80u;
        return bits;
      });
    default: {
      PRUNENET_CHECK(dtype == Dtype::kQ8_0);
      const auto block = static_cast<size_t>(dtype_block_elements(dtype));
      PRUNENET_CHECK(count % block == 0);
      return encode_q8_0(values, count / block, destination);
    }
  }
}

template <typename Real>
void widen(const std::byte* source, Dtype dtype, size_t count, Real* destination) {
  switch (dtype) {
    case Dtype::kF64:
      for (size_t i = 0; i < count; ++i) destination[i] = static_cast<Real>(load<double>(source + 8 * i));
      return;
    case Dtype::kF32:
      for (size_t i = 0; i < count; ++i) destination[i] = static_cast<Real>(load<float>(source + 4 * i));
      return;
    case Dtype::kF16:
      for (size_t i = 0; i < count; ++i) destination[i] = f32_from_f16(load<uint16_t>(source + 2 * i));
      return;
    case Dtype::kBf16:
      for (size_t i = 0; i < count; ++i) destination[i] = f32_from_bf16(load<uint16_t>(source + 2 * i));
      return;
    default:
      PRUNENET_CHECK(dtype_is_quantised(dtype));
      widen_blocks(source, dtype, count, destination);
  }
}

template void widen<float>(const std::byte*, Dtype, size_t, float*);
template void widen<double>(const std::byte*, Dtype, size_t, double*);

Finiteness worst_value(std::span<const std::byte> bytes, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return scan<uint64_t>(bytes, 0x7ff0000000000000u);
    case Dtype::kF32:
      return scan<uint32_t>(bytes, 0x7f800000u);
    case Dtype::kF16:
      return scan<uint16_t>(bytes, 0x7c00u);
    case Dtype::kBf16:
      return scan<uint16_t>(bytes, 0x7f80u);
    default:
      return dtype_is_quantised(dtype) ? worst_scale(bytes, dtype) : Finiteness::kFinite;
  }
}

}  // namespace prunenet
