// Numbers becoming stored ones: halves and bfloats held against their definition, and the properties of Q8_0.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/dtype.h"
#include "base/quantised.h"
#include "support/support.h"

namespace prunenet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Narrow, EveryHalfSurvivesTheWayThroughF32) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = f32_from_f16(half);
    const uint16_t back = f16_from_f32(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(f32_from_f16(back))) << "bits " << bits;
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

// Between each half and the next one away from zero: what lies nearer wins, the midpoint goes to the even one. Beyond
// the largest stands infinity, at 2^16 as far as rounding goes.
TEST(Narrow, RoundingToHalfTakesTheNearestAndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const auto below = static_cast<uint16_t>(bits), above = static_cast<uint16_t>(bits + 1);
    const double low = f32_from_f16(below), high = above == 0x7c00 ? 65536.0 : f32_from_f16(above);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one more bit than a half has
    for (const float sign : {1.0f, -1.0f}) {
      const auto mark = static_cast<uint16_t>(sign < 0 ? 0x8000 : 0);
      ASSERT_EQ(f16_from_f32(sign * std::nextafter(middle, 0.0f)), below | mark) << bits;
      ASSERT_EQ(f16_from_f32(sign * middle), (bits % 2 == 0 ? below : above) | mark) << bits;
      ASSERT_EQ(f16_from_f32(sign * std::nextafter(middle, 1e9f)), above | mark) << bits;
    }
  }
  EXPECT_EQ(f16_from_f32(1e30f), 0x7c00);
  EXPECT_EQ(f16_from_f32(-kInfinity), 0xfc00);
  EXPECT_EQ(f16_from_f32(1e-45f), 0x0000);
  EXPECT_EQ(f16_from_f32(-1e-45f), 0x8000);
}

TEST(Narrow, NanStaysNanInHalfWhereverItsMantissaBitsAre) {
  for (uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t mantissa = 1; mantissa < 0x800000; mantissa = mantissa * 2 + (mantissa % 3)) {
      const uint16_t bits = f16_from_f32(std::bit_cast<float>(sign | 0x7f800000u | mantissa));
      EXPECT_TRUE(std::isnan(f32_from_f16(bits))) << "mantissa " << mantissa;
      EXPECT_EQ(bits >> 15, sign >> 31);
    }
  }
}

const std::vector<Dtype> kWritable{Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kQ8_0};

// Writes at an odd address and reads it again.
std::vector<float> there_and_back(const std::vector<float>& values, Dtype dtype) {
  const uint64_t size = dtype_bytes(dtype, values.size());
  std::vector<std::byte> bytes(1 + size + 1, std::byte{0xee});
  EXPECT_TRUE(narrow(values.data(), values.size(), dtype, bytes.data() + 1)) << dtype_name(dtype);
  EXPECT_EQ(bytes.front(), std::byte{0xee});
  EXPECT_EQ(bytes.back(), std::byte{0xee});
  std::vector<float> back(values.size());
  widen(bytes.data() + 1, dtype, values.size(), back.data());
  return back;
}

TEST(Narrow, StoresEachWritableTypeAsItsConversionSays) {
  std::vector<float> values(64);
  std::mt19937 random(3);
  for (float& value : values) value = std::normal_distribution<float>()(random);
  values[0] = 0.0f;
  values[1] = -0.0f;
  values[2] = 65504.0f;
  values[3] = 1e-30f;
  for (const Dtype dtype : {Dtype::kF64, Dtype::kF32}) EXPECT_EQ(there_and_back(values, dtype), values);
  const auto halves = there_and_back(values, Dtype::kF16), bfloats = there_and_back(values, Dtype::kBf16);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(halves[i], f32_from_f16(f16_from_f32(values[i])));
    EXPECT_EQ(bfloats[i], f32_from_bf16(bf16_from_f32(values[i])));
  }
}

TEST(Narrow, SaysWhetherEveryNumberWasFiniteAndInRange) {
  for (const Dtype dtype : kWritable) {
    std::vector<std::byte> bytes(dtype_bytes(dtype, 64));
    const auto stored = [&](float value, size_t place) {
      std::vector<float> values(64, 1.0f);
      values[place] = value;
      return narrow(values.data(), values.size(), dtype, bytes.data());
    };
    for (const size_t place : {0, 31, 32, 63}) {
      EXPECT_TRUE(stored(-2.0f, place)) << dtype_name(dtype);
      for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
        EXPECT_FALSE(stored(bad, place)) << dtype_name(dtype) << ' ' << bad;
      }
    }
    EXPECT_EQ(stored(65519.0f, 5), true);
    EXPECT_EQ(stored(65520.0f, 5), dtype != Dtype::kF16);
    EXPECT_EQ(stored(-3.3e38f, 5), dtype != Dtype::kF16 && dtype != Dtype::kQ8_0);
    EXPECT_EQ(stored(std::numeric_limits<float>::max(), 5), dtype == Dtype::kF32 || dtype == Dtype::kF64);
  }
}

TEST(Narrow, WhatCannotBeWrittenIsADefectOfTheCaller) {
  std::vector<std::byte> bytes(1024);
  const std::vector<float> values(256, 1.0f);
  for (const Dtype dtype : {Dtype::kI32, Dtype::kF8E4M3, Dtype::kBool, Dtype::kQ4_0, Dtype::kQ6K}) {
    EXPECT_FALSE(dtype_can_be_written(dtype));
    test::expect_error(ErrorCode::kInternal, {}, [&] { narrow(values.data(), 256, dtype, bytes.data()); });
  }
  test::expect_error(ErrorCode::kInternal, {}, [&] { narrow(values.data(), 31, Dtype::kQ8_0, bytes.data()); });
}

struct Q8Block {
  uint16_t scale = 0;
  std::vector<int> quants;
};

Q8Block encoded(const std::vector<float>& values) {
  std::vector<std::byte> bytes(34);
  EXPECT_TRUE(encode_q8_0(values.data(), 1, bytes.data()));
  Q8Block block;
  std::memcpy(&block.scale, bytes.data(), 2);
  for (size_t i = 0; i < 32; ++i) block.quants.push_back(static_cast<int8_t>(bytes[2 + i]));
  return block;
}

// With a largest magnitude of 127 the scale is one and what is rounded is the number itself.
TEST(Q8_0, HalvesGoAwayFromZero) {
  std::vector<float> values(32);
  values[0] = -127.0f;
  const std::vector<std::pair<float, int>> cases{{0.5f, 1},        {-0.5f, -1},      {1.5f, 2},         {2.5f, 3},
                                                 {-2.5f, -3},      {126.5f, 127},    {-126.5f, -127},   {0.25f, 0},
                                                 {-0.49f, 0},      {0.49999997f, 0}, {-0.49999997f, 0}, {1.4999999f, 1},
                                                 {63.499996f, 63}, {127.0f, 127},    {-0.0f, 0},        {1e-40f, 0}};
  std::vector<int> expected(32);
  expected[0] = -127;
  for (size_t i = 0; i < cases.size(); ++i) {
    values[i + 1] = cases[i].first;
    expected[i + 1] = cases[i].second;
  }
  const Q8Block block = encoded(values);
  EXPECT_EQ(block.scale, 0x3c00);
  EXPECT_EQ(block.quants, expected);
}

// 0 to 31: the scale is 31 / 127 = 0.24409..., as a half 1000 / 4096 (0x33d0); the numbers are divided by the scale
// before it was rounded.
TEST(Q8_0, ARampEncodesAsByHand) {
  std::vector<float> values(32);
  std::vector<int> expected(32);
  for (int i = 0; i < 32; ++i) {
    values[static_cast<size_t>(i)] = static_cast<float>(i);
    expected[static_cast<size_t>(i)] = (2 * 127 * i + 31) / 62;  // no ties: 127 and 31 are odd and coprime
  }
  const Q8Block block = encoded(values);
  EXPECT_EQ(block.scale, 0x33d0);
  EXPECT_EQ(block.quants, expected);
}

TEST(Q8_0, ZerosAreZeros) {
  const Q8Block block = encoded(std::vector<float>(32, -0.0f));
  EXPECT_EQ(block.scale, 0);
  EXPECT_EQ(block.quants, std::vector<int>(32, 0));
}

TEST(Q8_0, ScalesAreRefusedWhereTheyBecomeInfiniteAsHalves) {
  std::vector<float> values(64, 1.0f);
  std::vector<std::byte> bytes(68);
  const float limit = 127.0f * 65520.0f;  // exact
  values[40] = -std::nextafter(limit, 0.0f);
  EXPECT_TRUE(encode_q8_0(values.data(), 2, bytes.data()));
  values[40] = limit;
  EXPECT_FALSE(encode_q8_0(values.data(), 2, bytes.data()));
}

// Any numbers: the error is half a step, and what comes of storing the scale as a half.
TEST(Q8_0, TheErrorIsWithinHalfAStepAndASecondTimeChangesNothing) {
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 4000; ++round) {
    std::vector<float> values(32);
    const int exponent = round % 60 - 40;
    for (float& value : values) value = std::ldexp(normal(random), exponent);
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    const double scale = largest / 127.0f;

    std::vector<std::byte> bytes(34), again(34);
    ASSERT_TRUE(encode_q8_0(values.data(), 1, bytes.data()));
    uint16_t bits;
    std::memcpy(&bits, bytes.data(), 2);
    const double stored = f32_from_f16(bits);
    ASSERT_EQ(bits, f16_from_f32(static_cast<float>(scale)));
    std::vector<float> decoded(32);
    decode_blocks(bytes.data(), Dtype::kQ8_0, 1, decoded.data());
    for (size_t i = 0; i < 32; ++i) {
      // The products by the inverse of the scale are off by a few units in the last place of f32.
      const double bound = scale * (0.5 + 127 * 0x1p-22) + 127 * std::abs(scale - stored);
      ASSERT_LE(std::abs(static_cast<double>(values[i]) - decoded[i]), bound) << "round " << round << " element " << i;
    }
    ASSERT_TRUE(encode_q8_0(decoded.data(), 1, again.data()));
    std::vector<float> twice(32);
    decode_blocks(again.data(), Dtype::kQ8_0, 1, twice.data());
    ASSERT_EQ(twice, decoded) << "round " << round;
    if (stored > 0) {
      ASSERT_EQ(again, bytes) << "round " << round;
    }
  }
}

// Numbers whose scale has no finite inverse, or none at all.
TEST(Q8_0, TheTiniestNumbersBecomeZeros) {
  for (const float tiny : {1e-45f, 1e-40f, 1e-38f, 3.7e-37f}) {
    std::vector<float> values(32, tiny), decoded(32, 5.0f);
    values[7] = 0.0f;
    std::vector<std::byte> bytes(34);
    ASSERT_TRUE(encode_q8_0(values.data(), 1, bytes.data()));
    decode_blocks(bytes.data(), Dtype::kQ8_0, 1, decoded.data());
    EXPECT_EQ(decoded, std::vector<float>(32, 0.0f)) << tiny;
  }
}

}  // namespace
}  // namespace prunenet
