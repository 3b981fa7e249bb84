// Element types: names and sizes, and the conversions between 16-bit and 32-bit floating numbers, held against
// conversions written here by the definition of the formats rather than by bit tricks.
#include "base/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "support/support.h"

namespace prunenet {
namespace {

const std::vector<Dtype> kAllDtypes{Dtype::kF64, Dtype::kF32, Dtype::kF16,  Dtype::kBf16,   Dtype::kI64,
                                    Dtype::kI32, Dtype::kI16, Dtype::kI8,   Dtype::kU64,    Dtype::kU32,
                                    Dtype::kU16, Dtype::kU8,  Dtype::kBool, Dtype::kF8E4M3, Dtype::kF8E5M2};

struct QuantisedRow {
  Dtype dtype;
  std::string name;
  size_t block_bytes;
  int64_t block_elements;
};
const std::vector<QuantisedRow> kQuantised{{Dtype::kQ4_0, "Q4_0", 18, 32},  {Dtype::kQ4_1, "Q4_1", 20, 32},
                                           {Dtype::kQ5_0, "Q5_0", 22, 32},  {Dtype::kQ5_1, "Q5_1", 24, 32},
                                           {Dtype::kQ8_0, "Q8_0", 34, 32},  {Dtype::kQ4K, "Q4_K", 144, 256},
                                           {Dtype::kQ5K, "Q5_K", 176, 256}, {Dtype::kQ6K, "Q6_K", 210, 256}};

// The value of a 16-bit pattern by the definition of IEEE formats: (-1)^s * 2^(e-bias) * 1.m, subnormals 0.m.
double value_of_bits(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const double fraction = mantissa / static_cast<double>(1 << mantissa_bits);
  return sign * std::ldexp(exponent == 0 ? fraction : 1.0 + fraction, exponent == 0 ? 1 - bias : exponent - bias);
}

// Equal as stored: the same number with the same sign (of zeros too), or both NaN.
bool same_value(double found, double expected) {
  if (std::isnan(expected)) return std::isnan(found);
  return found == expected && std::signbit(found) == std::signbit(expected);
}

TEST(Dtype, NamesAndSizesAreThoseOfTheFormat) {
  const std::vector<std::pair<std::string, size_t>> expected{
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},    {"I8", 1},
      {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  ASSERT_EQ(kAllDtypes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(dtype_name(kAllDtypes[i]), expected[i].first);
    EXPECT_EQ(dtype_size_bytes(kAllDtypes[i]), expected[i].second) << expected[i].first;
    EXPECT_EQ(dtype_from_name(expected[i].first), kAllDtypes[i]) << expected[i].first;
    EXPECT_EQ(dtype_block_bytes(kAllDtypes[i]), expected[i].second);
    EXPECT_EQ(dtype_block_elements(kAllDtypes[i]), 1);
    EXPECT_EQ(dtype_bytes(kAllDtypes[i], 7), 7 * expected[i].second);
    EXPECT_FALSE(dtype_is_quantised(kAllDtypes[i]));
  }
}

TEST(Dtype, QuantisedTypesHaveBlocksAndNoSizeOfAnElement) {
  for (const QuantisedRow& row : kQuantised) {
    EXPECT_EQ(dtype_name(row.dtype), row.name);
    EXPECT_EQ(dtype_from_name(row.name), std::nullopt) << "safetensors do not have " << row.name;
    EXPECT_EQ(dtype_block_bytes(row.dtype), row.block_bytes) << row.name;
    EXPECT_EQ(dtype_block_elements(row.dtype), row.block_elements) << row.name;
    EXPECT_EQ(dtype_bytes(row.dtype, 3 * static_cast<uint64_t>(row.block_elements)), 3 * row.block_bytes) << row.name;
    EXPECT_EQ(dtype_bytes(row.dtype, 0), 0u);
    EXPECT_TRUE(dtype_is_quantised(row.dtype));
    EXPECT_TRUE(dtype_is_computable(row.dtype));
    EXPECT_TRUE(dtype_is_floating(row.dtype));
    EXPECT_EQ(dtype_can_be_written(row.dtype), row.dtype == Dtype::kQ8_0) << row.name;
    test::expect_error(ErrorCode::kInternal, {}, [&] { dtype_size_bytes(row.dtype); });
  }
}

TEST(Dtype, UnknownNamesAreNoDtype) {
  for (const char* name : {"", "f32", "F32 ", "F33", "F4", "F8_E8M0", "BFLOAT16", "C64"}) {
    EXPECT_EQ(dtype_from_name(name), std::nullopt) << name;
  }
}

TEST(Dtype, OfPlainTypesFourAreComputedWithAndWrittenAndSixAreFloating) {
  const std::set<Dtype> computable{Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBf16};
  std::set<Dtype> floating = computable;
  floating.insert({Dtype::kF8E4M3, Dtype::kF8E5M2});
  for (Dtype dtype : kAllDtypes) {
    EXPECT_EQ(dtype_is_computable(dtype), computable.contains(dtype)) << dtype_name(dtype);
    EXPECT_EQ(dtype_can_be_written(dtype), computable.contains(dtype)) << dtype_name(dtype);
    EXPECT_EQ(dtype_is_floating(dtype), floating.contains(dtype)) << dtype_name(dtype);
  }
}

TEST(Dtype, EveryHalfWidensToItsValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    ASSERT_TRUE(same_value(f32_from_f16(half), value_of_bits(half, 5, 10))) << "bits " << bits;
  }
}

TEST(Dtype, EveryBfloatWidensToItsValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto bfloat = static_cast<uint16_t>(bits);
    ASSERT_TRUE(same_value(f32_from_bf16(bfloat), value_of_bits(bfloat, 8, 7))) << "bits " << bits;
  }
}

TEST(Dtype, EveryBfloatSurvivesTheWayThroughF32) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto bfloat = static_cast<uint16_t>(bits);
    const double value = value_of_bits(bfloat, 8, 7);
    const uint16_t back = bf16_from_f32(static_cast<float>(value));
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(value_of_bits(back, 8, 7))) << "bits " << bits;
    } else {
      ASSERT_EQ(back, bfloat);
    }
  }
}

// Between each bfloat and the next one away from zero: what lies nearer wins, the midpoint goes to the even one. The
// one after the largest is infinity, whose pattern continues the count.
TEST(Dtype, RoundingToBfloatTakesTheNearestAndTiesToEven) {
  for (uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t low = 0; low < 0x7f80; ++low) {
      const uint32_t exact = low << 16 | sign;
      const auto rounded = [&](uint32_t rest) { return bf16_from_f32(std::bit_cast<float>(exact | rest)); };
      const auto below = static_cast<uint16_t>(exact >> 16);
      const auto above = static_cast<uint16_t>(below + 1);
      ASSERT_EQ(rounded(1), below);
      ASSERT_EQ(rounded(0x7fff), below);
      ASSERT_EQ(rounded(0x8000), below % 2 == 0 ? below : above);
      ASSERT_EQ(rounded(0x8001), above);
      ASSERT_EQ(rounded(0xffff), above);
    }
  }
}

TEST(Dtype, NanStaysNanInBfloatWhereverItsMantissaBitsAre) {
  for (uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t mantissa = 1; mantissa < 0x800000; mantissa = mantissa * 2 + (mantissa % 3)) {
      const uint16_t bits = bf16_from_f32(std::bit_cast<float>(sign | 0x7f800000u | mantissa));
      EXPECT_TRUE(std::isnan(value_of_bits(bits, 8, 7))) << "mantissa " << mantissa;
      EXPECT_EQ(bits >> 15, sign >> 31);
    }
  }
}

// The bytes of a tensor start anywhere in a file: one byte in front makes them odd.
template <typename Stored>
std::vector<std::byte> unaligned(const std::vector<Stored>& values) {
  std::vector<std::byte> bytes(1 + values.size() * sizeof(Stored), std::byte{0xee});
  std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(Stored));
  return bytes;
}

template <typename Real, typename Stored>
void expect_widened(Dtype dtype, const std::vector<Stored>& stored, const std::vector<double>& expected) {
  const auto bytes = unaligned(stored);
  std::vector<Real> found(stored.size() + 1, Real{77});
  widen(bytes.data() + 1, dtype, stored.size(), found.data());
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_TRUE(same_value(found[i], static_cast<Real>(expected[i])))
        << dtype_name(dtype) << ' ' << i << ": " << found[i];
  }
  EXPECT_EQ(found.back(), Real{77}) << "written beyond the end";
}

TEST(Dtype, WideningReadsUnalignedBytesOfEveryComputableType) {
  const std::vector<uint16_t> bits{0x0000, 0x8000, 0x0001, 0x3c00, 0x7bff, 0x3f80, 0xc2f7, 0x7c00, 0x7f80, 0xff80};
  std::vector<double> halves, bfloats;
  for (uint16_t word : bits) {
    halves.push_back(value_of_bits(word, 5, 10));
    bfloats.push_back(value_of_bits(word, 8, 7));
  }
  const std::vector<float> floats{0.0f, -0.0f, 1.5f, -3.4e38f, 1e-45f, std::numeric_limits<float>::infinity()};
  const std::vector<double> doubles{
      0.0, 0.1, -1.0 / 3, 1e300, -1e300, 1e-320, std::numeric_limits<double>::quiet_NaN()};
  expect_widened<float>(Dtype::kF16, bits, halves);
  expect_widened<double>(Dtype::kF16, bits, halves);
  expect_widened<float>(Dtype::kBf16, bits, bfloats);
  expect_widened<double>(Dtype::kBf16, bits, bfloats);
  expect_widened<float>(Dtype::kF32, floats, {floats.begin(), floats.end()});
  expect_widened<double>(Dtype::kF32, floats, {floats.begin(), floats.end()});
  expect_widened<double>(Dtype::kF64, doubles, doubles);
}

TEST(Dtype, AnF64BeyondTheRangeOfFloatBecomesInfinityAndOthersAreRounded) {
  const std::vector<double> stored{0.1, 1e300, -1e39};
  float found[3];
  widen(reinterpret_cast<const std::byte*>(stored.data()), Dtype::kF64, 3, found);
  EXPECT_EQ(found[0], 0.1f);
  EXPECT_EQ(found[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(found[2], -std::numeric_limits<float>::infinity());
}

TEST(Dtype, WideningIntegersIsADefectOfTheCaller) {
  const std::byte bytes[8]{};
  float found = 0;
  for (Dtype dtype : kAllDtypes) {
    if (dtype_is_computable(dtype)) continue;
    test::expect_error(ErrorCode::kInternal, {"internal check failed"}, [&] { widen(bytes, dtype, 1, &found); });
  }
}

}  // namespace
}  // namespace prunenet
