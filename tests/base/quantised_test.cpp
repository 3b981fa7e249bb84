// Decoding of quantised blocks: blocks made by hand, and any bytes against a reader that goes bit by bit.
#include "base/quantised.h"

#include <bit>
#include <cstring>
#include <numeric>

#include "base/quantised_blocks.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::Block;
using test::kQuantisedDtypes;

std::vector<float> decoded(const Block& blocks, Dtype dtype) {
  const size_t count = blocks.size() / dtype_block_bytes(dtype);
  std::vector<float> values(count * static_cast<size_t>(dtype_block_elements(dtype)));
  decode_blocks(std::as_bytes(std::span(blocks)).data(), dtype, count, values.data());
  return values;
}

void put_half(Block& block, size_t offset, uint16_t bits) {
  std::memcpy(block.data() + offset, &bits, 2);
}

constexpr uint16_t kOne = 0x3c00, kTwo = 0x4000, kHalf = 0x3800, kMinusThree = 0xc200;
constexpr uint16_t kSixteenth = 0x2c00;  // two bits away from infinity

// Nibbles 0..15 in the lower halves and 15..0 in the upper ones.
void put_ramp(Block& block, size_t offset) {
  for (unsigned j = 0; j < 16; ++j) block[offset + j] = static_cast<uint8_t>(j | (15 - j) << 4);
}

TEST(Quantised, Q4_0IsANibbleLessEightTimesTheScale) {
  Block block(18);
  put_half(block, 0, kHalf);
  put_ramp(block, 2);
  std::vector<float> expected;
  for (int q = 0; q < 16; ++q) expected.push_back(0.5f * static_cast<float>(q - 8));
  for (int q = 15; q >= 0; --q) expected.push_back(0.5f * static_cast<float>(q - 8));
  EXPECT_EQ(decoded(block, Dtype::kQ4_0), expected);
}

TEST(Quantised, Q4_1IsANibbleTimesTheScalePlusTheMinimum) {
  Block block(20);
  put_half(block, 0, kTwo);
  put_half(block, 2, kMinusThree);
  put_ramp(block, 4);
  std::vector<float> expected;
  for (int q = 0; q < 16; ++q) expected.push_back(static_cast<float>(2 * q - 3));
  for (int q = 15; q >= 0; --q) expected.push_back(static_cast<float>(2 * q - 3));
  EXPECT_EQ(decoded(block, Dtype::kQ4_1), expected);
}

// The fifth bits of elements 1, 8, 17 and 31 are set.
TEST(Quantised, Q5TakesItsFifthBitsFromAWordOfTheirOwn) {
  for (const bool with_minimum : {false, true}) {
    Block block(with_minimum ? 24u : 22u);
    const size_t fifth = with_minimum ? 4 : 2;
    put_half(block, 0, kOne);
    if (with_minimum) put_half(block, 2, kMinusThree);
    block[fifth] = 0x02;
    block[fifth + 1] = 0x01;
    block[fifth + 2] = 0x02;
    block[fifth + 3] = 0x80;
    put_ramp(block, fifth + 4);
    std::vector<float> expected;
    for (int i = 0; i < 32; ++i) {
      const int q = (i < 16 ? i : 31 - i) + (i == 1 || i == 8 || i == 17 || i == 31 ? 16 : 0);
      expected.push_back(static_cast<float>(with_minimum ? q - 3 : q - 16));
    }
    EXPECT_EQ(decoded(block, with_minimum ? Dtype::kQ5_1 : Dtype::kQ5_0), expected);
  }
}

TEST(Quantised, Q8_0IsASignedByteTimesTheScale) {
  Block block(34);
  put_half(block, 0, kTwo);
  block[2] = 127;
  block[3] = 0x80;
  block[33] = 0xff;
  std::vector<float> expected(32);
  expected[0] = 254;
  expected[1] = -256;
  expected[31] = -2;
  EXPECT_EQ(decoded(block, Dtype::kQ8_0), expected);
}

// Scales 1, 2, 3, 63, 17, 34, 51, 60 and minima 5, 6, 7, 62, 50, 33, 16, 15, packed by hand: the upper two bits of
// the last four numbers lie on top of the first four.
const Block kPackedScales{
    0x01 | 0x40, 0x02 | 0x80, 0x03 | 0xc0, 0x3f | 0xc0,  // 17 = 1:1, 34 = 2:2, 51 = 3:3, 60 = 3:12
    0x05 | 0xc0, 0x06 | 0x80, 0x07 | 0x40, 0x3e | 0x00,  // 50 = 3:2, 33 = 2:1, 16 = 1:0, 15 = 0:15
    0x21,        0x12,        0x03,        0xfc};
const std::vector<int> kScales{1, 2, 3, 63, 17, 34, 51, 60}, kMinima{5, 6, 7, 62, 50, 33, 16, 15};

TEST(Quantised, Q4KHasEightScalesAndMinimaOfSixBits) {
  Block block(144);
  put_half(block, 0, kTwo);
  put_half(block, 2, kHalf);
  std::copy(kPackedScales.begin(), kPackedScales.end(), block.begin() + 4);
  // Each run of 32 elements holds its number at element (number) and zeros elsewhere.
  for (unsigned run = 0; run < 8; ++run) {
    block[16 + 32 * (run / 2) + run] = static_cast<uint8_t>(run % 2 == 0 ? run + 1 : (run + 1) << 4);
  }
  const auto values = decoded(block, Dtype::kQ4K);
  for (size_t i = 0; i < 256; ++i) {
    const size_t run = i / 32;
    const double q = i % 32 == run ? static_cast<double>(run + 1) : 0.0;
    EXPECT_EQ(values[i], static_cast<float>(2.0 * kScales[run] * q - 0.5 * kMinima[run])) << i;
  }
}

TEST(Quantised, Q5KHasABitOfEachRunInEachByte) {
  Block block(176);
  put_half(block, 0, kOne);
  std::copy(kPackedScales.begin(), kPackedScales.end(), block.begin() + 4);
  block[16 + 3] = 0b10100101;  // element 3 of runs 0, 2, 5 and 7
  block[48 + 32 + 3] = 0x94;   // element 3 of run 2 is 4, of run 3 is 9
  const auto values = decoded(block, Dtype::kQ5K);
  const std::vector<int> quants{16, 0, 20, 9, 0, 16, 0, 16};
  for (size_t i = 0; i < 256; ++i) {
    EXPECT_EQ(values[i], i % 32 == 3 ? static_cast<float>(kScales[i / 32] * quants[i / 32]) : 0.0f) << i;
  }
}

TEST(Quantised, Q6KHasAScaleForEachSixteen) {
  Block block(210, 0);
  put_half(block, 208, kHalf);
  for (int k = 0; k < 16; ++k) block[192 + static_cast<size_t>(k)] = static_cast<uint8_t>(k % 2 == 0 ? k + 1 : -k - 1);
  // All bits zero is -32. Element 130 (in the second half: byte 2 of its nibbles, lower) becomes 0b101111 = 47 - 32,
  // element 255 (byte 63, upper half) 0b010001 = 17 - 32.
  block[64 + 2] = 0x0f;
  block[128 + 32 + 2] = 0b00000010;
  block[64 + 63] = 0x10;
  block[128 + 32 + 31] = 0b01000000;
  const auto values = decoded(block, Dtype::kQ6K);
  for (size_t i = 0; i < 256; ++i) {
    const int k = static_cast<int>(i / 16), scale = k % 2 == 0 ? k + 1 : -k - 1;
    const int q = i == 130 ? 15 : i == 255 ? -15 : -32;
    EXPECT_EQ(values[i], 0.5f * static_cast<float>(scale * q)) << i;
  }
}

// Also at odd addresses, several blocks at once, and through widen in both precisions.
TEST(Quantised, AnyBytesDecodeToTheExactValueRoundedOnce) {
  std::mt19937_64 random(5);
  for (const Dtype dtype : kQuantisedDtypes) {
    const auto elements = static_cast<size_t>(dtype_block_elements(dtype));
    for (int round = 0; round < 200; ++round) {
      std::vector<Block> blocks;
      Block bytes{0xee};
      for (int i = 0; i < 3; ++i) {
        blocks.push_back(test::random_block(dtype, random));
        bytes.insert(bytes.end(), blocks.back().begin(), blocks.back().end());
      }
      std::vector<float> found(3 * elements + 1, 77.0f);
      std::vector<double> wide(3 * elements + 1, 77.0);
      const std::byte* source = std::as_bytes(std::span(bytes)).data() + 1;
      widen(source, dtype, 3 * elements, found.data());
      widen(source, dtype, 3 * elements, wide.data());
      for (size_t i = 0; i < 3 * elements; ++i) {
        const auto expected = static_cast<float>(test::element_of(blocks[i / elements], dtype, i % elements));
        ASSERT_EQ(found[i], expected) << dtype_name(dtype) << " round " << round << " element " << i;
        ASSERT_EQ(wide[i], static_cast<double>(expected)) << dtype_name(dtype);
      }
      EXPECT_EQ(found.back(), 77.0f) << "written beyond the end";
      EXPECT_EQ(wide.back(), 77.0) << "written beyond the end";
    }
  }
}

// Every bit of a block reaches exactly the elements that it should: with all other bits zero, none may be taken for
// another's.
TEST(Quantised, EverySingleBitDecodesAsTheBitwiseReaderSays) {
  for (const Dtype dtype : kQuantisedDtypes) {
    for (size_t bit = 0; bit < 8 * dtype_block_bytes(dtype); ++bit) {
      Block block(dtype_block_bytes(dtype), 0);
      for (const size_t offset : test::scale_offsets(dtype)) put_half(block, offset, kSixteenth);
      if (dtype == Dtype::kQ4K || dtype == Dtype::kQ5K) std::fill_n(block.begin() + 4, 12, uint8_t{0x55});
      if (dtype == Dtype::kQ6K) std::iota(block.begin() + 192, block.begin() + 208, uint8_t{1});
      block[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      const auto values = decoded(block, dtype);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], static_cast<float>(test::element_of(block, dtype, i)))
            << dtype_name(dtype) << " bit " << bit << " element " << i;
      }
    }
  }
}

TEST(Quantised, NoBlocksAreNothing) {
  float untouched = 5;
  for (const Dtype dtype : kQuantisedDtypes) widen(nullptr, dtype, 0, &untouched);
  EXPECT_EQ(untouched, 5);
}

TEST(Quantised, PartOfABlockIsADefectOfTheCaller) {
  const std::vector<std::byte> bytes(256);
  std::vector<float> values(512);
  for (const Dtype dtype : kQuantisedDtypes) {
    const auto elements = static_cast<size_t>(dtype_block_elements(dtype));
    for (const size_t count : {size_t{1}, elements - 1, elements + 1}) {
      test::expect_error(ErrorCode::kInternal, {}, [&] { widen(bytes.data(), dtype, count, values.data()); });
      test::expect_error(ErrorCode::kInternal, {}, [&] { dtype_bytes(dtype, count); });
    }
  }
}

TEST(Quantised, TheWorstScaleIsTheWorstValue) {
  std::mt19937_64 random(9);
  for (const Dtype dtype : kQuantisedDtypes) {
    Block clean;
    for (int i = 0; i < 5; ++i) {
      const Block block = test::random_block(dtype, random);
      clean.insert(clean.end(), block.begin(), block.end());
    }
    EXPECT_EQ(worst_value(std::as_bytes(std::span(clean)), dtype), Finiteness::kFinite) << dtype_name(dtype);
    EXPECT_EQ(worst_value({}, dtype), Finiteness::kFinite);
    for (const size_t block : {0, 3, 4}) {
      for (const size_t offset : test::scale_offsets(dtype)) {
        const auto with = [&](uint16_t bits) {
          Block changed = clean;
          put_half(changed, block * dtype_block_bytes(dtype) + offset, bits);
          return worst_value(std::as_bytes(std::span(changed)), dtype);
        };
        EXPECT_EQ(with(0x7bff), Finiteness::kFinite) << dtype_name(dtype);
        EXPECT_EQ(with(0x7c00), Finiteness::kInfinity) << dtype_name(dtype) << " block " << block;
        EXPECT_EQ(with(0xfc00), Finiteness::kInfinity) << dtype_name(dtype) << " block " << block;
        EXPECT_EQ(with(0xfc01), Finiteness::kNan) << dtype_name(dtype) << " block " << block;
        EXPECT_EQ(with(0x7e00), Finiteness::kNan) << dtype_name(dtype) << " block " << block;
      }
    }
  }
}

}  // namespace
}  // namespace prunenet
