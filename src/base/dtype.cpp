// Element types: names, sizes, widening, and the scan for NaN and infinity.
#include "base/dtype.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace prunenet {
namespace {

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  size_t size_bytes;
};

constexpr std::array<DtypeRow, 15> kDtypes{{{Dtype::kF64, "F64", 8},
                                            {Dtype::kF32, "F32", 4},
                                            {Dtype::kF16, "F16", 2},
                                            {Dtype::kBf16, "BF16", 2},
                                            {Dtype::kI64, "I64", 8},
                                            {Dtype::kI32, "I32", 4},
                                            {Dtype::kI16, "I16", 2},
                                            {Dtype::kI8, "I8", 1},
                                            {Dtype::kU64, "U64", 8},
                                            {Dtype::kU32, "U32", 4},
                                            {Dtype::kU16, "U16", 2},
                                            {Dtype::kU8, "U8", 1},
                                            {Dtype::kBool, "BOOL", 1},
                                            {Dtype::kF8E4M3, "F8_E4M3", 1},
                                            {Dtype::kF8E5M2, "F8_E5M2", 1}}};

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
  for (const DtypeRow& row : kDtypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

size_t dtype_size_bytes(Dtype dtype) {
  return row_of(dtype).size_bytes;
}

bool dtype_is_computable(Dtype dtype) {
  return dtype == Dtype::kF64 || dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBf16;
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
      PRUNENET_CHECK(dtype_is_computable(dtype));
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
      return Finiteness::kFinite;
  }
}

}  // namespace prunenet
