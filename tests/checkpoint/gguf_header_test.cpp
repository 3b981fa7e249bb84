// Reading headers of GGUF files: what valid ones say, and every kind of hostile one.
#include <algorithm>

#include "checkpoint/gguf_helpers.h"
#include "checkpoint/gguf_types.h"

namespace prunenet {
namespace {

using test::expect_error;
using test::gguf_array;
using test::gguf_file;
using test::gguf_item;
using test::gguf_tensor;
using test::gguf_text;
using test::parse_gguf;
using test::u32;
using test::u64;

constexpr uint32_t kF32 = 0, kQ8_0 = 8, kQ4K = 12, kStringType = 8, kArrayType = 9, kU32Type = 4;

void expect_refused(ErrorCode code, std::vector<std::string> fragments, const std::string& file) {
  fragments.push_back("hostile.gguf");
  expect_error(code, fragments, [&] { parse_gguf(file); });
}

std::string alignment(uint32_t value) {
  return gguf_item("general.alignment", kU32Type, u32(value));
}

TEST(GgufHeader, SaysWhatAFileHolds) {
  const std::string data = std::string(16, 'a') + std::string(16, '\0') + std::string(34, 'b');
  for (const uint32_t version : {2u, 3u}) {
    const GgufHeader header =
        parse_gguf(gguf_file({gguf_item("k", kStringType, gguf_text("text"))},
                             {gguf_tensor("w", {2, 1, 2}, kF32, 0), gguf_tensor("q", {32}, kQ8_0, 32)}, data, version));
    EXPECT_EQ(header.version, version);
    EXPECT_EQ(header.alignment, 32u);
    EXPECT_EQ(header.metadata.text("k", "f"), "text");
    ASSERT_EQ(header.tensors.size(), 2u);
    EXPECT_EQ(header.data_offset % 32, 0u);
    EXPECT_EQ(header.tensors[0].spec.name, "w");
    EXPECT_EQ(header.tensors[0].spec.shape, (std::vector<int64_t>{2, 1, 2}));
    EXPECT_EQ(header.tensors[0].offset, header.data_offset);
    EXPECT_EQ(header.tensors[1].spec.dtype, Dtype::kQ8_0);
    EXPECT_EQ(header.tensors[1].spec.size_bytes(), 34u);
    EXPECT_EQ(header.tensors[1].offset, header.data_offset + 32);
  }
}

TEST(GgufHeader, ShapesAreTurnedRound) {
  const GgufHeader header =
      parse_gguf(gguf_file({}, {gguf_tensor("w", {32, 3, 5, 7}, kF32, 0)}, std::string(13440, 'x')));
  EXPECT_EQ(header.tensors[0].spec.shape, (std::vector<int64_t>{7, 5, 3, 32}));
}

TEST(GgufHeader, TensorsComeInTheOrderOfTheirBytesAndMayHaveGaps) {
  const GgufHeader header = parse_gguf(gguf_file(
      {},
      {gguf_tensor("late", {1}, kF32, 96), gguf_tensor("early", {1}, kF32, 0), gguf_tensor("empty", {0, 4}, kF32, 0)},
      std::string(100, 'x')));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].spec.name, "empty");
  EXPECT_EQ(header.tensors[1].spec.name, "early");
  EXPECT_EQ(header.tensors[2].spec.name, "late");
}

TEST(GgufHeader, AFileWithoutTensorsNeedsNoAlignment) {
  const std::string file = gguf_file({gguf_item("k", kStringType, gguf_text("v"))}, {});
  const GgufHeader header = parse_gguf(file);
  EXPECT_TRUE(header.tensors.empty());
  EXPECT_EQ(header.data_offset, file.size());
  EXPECT_TRUE(parse_gguf(gguf_file({}, {})).metadata.items().empty());
}

TEST(GgufHeader, TheStatedAlignmentIsKeptTo) {
  const std::string file =
      gguf_file({alignment(8)}, {gguf_tensor("a", {1}, kF32, 0), gguf_tensor("b", {1}, kF32, 8)}, std::string(64, 'x'));
  const GgufHeader header = parse_gguf(file);
  EXPECT_EQ(header.alignment, 8u);
  EXPECT_EQ(header.data_offset % 8, 0u);
  EXPECT_EQ(header.tensors[1].offset, header.data_offset + 8);
}

TEST(GgufHeader, EveryTypeOfTensorHasItsNumber) {
  const std::vector<std::pair<uint32_t, Dtype>> expected{
      {0, Dtype::kF32},  {1, Dtype::kF16},  {2, Dtype::kQ4_0}, {3, Dtype::kQ4_1}, {6, Dtype::kQ5_0}, {7, Dtype::kQ5_1},
      {8, Dtype::kQ8_0}, {12, Dtype::kQ4K}, {13, Dtype::kQ5K}, {14, Dtype::kQ6K}, {24, Dtype::kI8},  {25, Dtype::kI16},
      {26, Dtype::kI32}, {27, Dtype::kI64}, {28, Dtype::kF64}, {30, Dtype::kBf16}};
  for (const auto& [number, dtype] : expected) {
    const GgufHeader header =
        parse_gguf(gguf_file({}, {gguf_tensor("w", {256, 2}, number, 0)}, std::string(4096, 'x')));
    EXPECT_EQ(header.tensors[0].spec.dtype, dtype) << number;
    EXPECT_EQ(gguf_tensor_type(dtype), number);
    EXPECT_EQ(gguf_tensor_type_name(number), dtype_name(dtype));
  }
  for (const Dtype dtype :
       {Dtype::kU8, Dtype::kU16, Dtype::kU32, Dtype::kU64, Dtype::kBool, Dtype::kF8E4M3, Dtype::kF8E5M2}) {
    EXPECT_EQ(gguf_tensor_type(dtype), std::nullopt) << dtype_name(dtype);
  }
}

TEST(GgufHeader, UnknownQuantisationsAreNamed) {
  for (const auto& [number, name] : std::vector<std::pair<uint32_t, std::string>>{{4, "Q4_2"},
                                                                                  {9, "Q8_1"},
                                                                                  {10, "Q2_K"},
                                                                                  {11, "Q3_K"},
                                                                                  {15, "Q8_K"},
                                                                                  {17, "IQ2_XS"},
                                                                                  {20, "IQ4_NL"},
                                                                                  {23, "IQ4_XS"},
                                                                                  {29, "IQ1_M"},
                                                                                  {34, "TQ1_0"},
                                                                                  {39, "MXFP4"},
                                                                                  {77, "type 77"},
                                                                                  {0xffffffff, "type 4294967295"}}) {
    expect_refused(ErrorCode::kUnsupported, {"'blk.0.w'", "is " + name},
                   gguf_file({}, {gguf_tensor("blk.0.w", {256}, number, 0)}, std::string(4096, 'x')));
  }
}

TEST(GgufHeader, BadMagicIsRefused) {
  expect_refused(ErrorCode::kFormat, {"GGUF"}, "GGML" + gguf_file({}, {}).substr(4));
  expect_refused(ErrorCode::kFormat, {"\\x00"}, std::string(64, '\0'));
  expect_refused(ErrorCode::kFormat, {"truncated"}, "");
  expect_refused(ErrorCode::kFormat, {"truncated"}, "GGU");
}

TEST(GgufHeader, OtherVersionsAreNamed) {
  for (const uint32_t version : {0u, 1u, 4u, 0xffffffffu}) {
    expect_refused(ErrorCode::kUnsupported, {"version " + std::to_string(version), "2 and 3"},
                   gguf_file({}, {}, "", version));
  }
}

TEST(GgufHeader, BigEndianFilesAreNamed) {
  for (const uint32_t version : {0x02000000u, 0x03000000u}) {
    expect_refused(ErrorCode::kUnsupported, {"big-endian"}, gguf_file({}, {}, "", version));
  }
}

TEST(GgufHeader, CountsBeyondTheFileAreRefused) {
  const std::string rest(200, '\1');
  for (const uint64_t count : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 32, uint64_t{20}}) {
    expect_refused(ErrorCode::kFormat, {std::to_string(count), "metadata keys"},
                   "GGUF" + u32(3) + u64(0) + u64(count) + rest);
    expect_refused(ErrorCode::kFormat, {std::to_string(count), "tensors"},
                   "GGUF" + u32(3) + u64(count) + u64(0) + rest);
  }
  for (const uint32_t element : {0u, 7u, 8u, 9u, 12u}) {
    for (const uint64_t count : {uint64_t{1} << 61, ~uint64_t{0}, uint64_t{1} << 40}) {
      expect_refused(ErrorCode::kFormat, {std::to_string(count), "'list'"},
                     gguf_file({gguf_item("list", kArrayType, gguf_array(element, count, rest))}, {}));
    }
  }
}

TEST(GgufHeader, LengthsOfTextsBeyondTheFileAreRefused) {
  for (const uint64_t length : {uint64_t{1000}, uint64_t{1} << 63, ~uint64_t{0}}) {
    const std::string text = u64(length) + "abc";
    expect_refused(ErrorCode::kFormat, {std::to_string(length), "key"},
                   "GGUF" + u32(3) + u64(0) + u64(1) + text + std::string(20, 'x'));
    expect_refused(ErrorCode::kFormat, {std::to_string(length), "string"},
                   gguf_file({gguf_item("k", kStringType, text)}, {}));
    expect_refused(ErrorCode::kFormat, {std::to_string(length), "string"},
                   gguf_file({gguf_item("k", kArrayType, gguf_array(kStringType, 1, text))}, {}));
    expect_refused(ErrorCode::kFormat, {std::to_string(length), "name"},
                   "GGUF" + u32(3) + u64(1) + u64(0) + text + std::string(40, 'x'));
  }
}

TEST(GgufHeader, AlignmentMustBeAPowerOfTwoAndAU32) {
  for (const uint32_t value : {0u, 3u, 48u, 0xffffffffu, 1u << 21, 0x80000000u}) {
    expect_refused(ErrorCode::kFormat, {"general.alignment", std::to_string(value), "power of two"},
                   gguf_file({alignment(value)}, {gguf_tensor("w", {1}, kF32, 0)}, "1234"));
  }
  expect_refused(ErrorCode::kFormat, {"general.alignment", "u64"},
                 gguf_file({gguf_item("general.alignment", 10, u64(32))}, {}));
  expect_refused(ErrorCode::kFormat, {"general.alignment", "string"},
                 gguf_file({gguf_item("general.alignment", kStringType, gguf_text("32"))}, {}));
  expect_refused(ErrorCode::kFormat, {"truncated"},
                 gguf_file({alignment(1u << 20)}, {gguf_tensor("w", {1}, kF32, 0)}, "1234"));
}

TEST(GgufHeader, KeysAndTensorsMustBeThereOnceAndHaveNames) {
  const std::string k = gguf_item("k", kU32Type, u32(1));
  expect_refused(ErrorCode::kFormat, {"'k'", "twice"}, gguf_file({k, gguf_item("j", kU32Type, u32(1)), k}, {}));
  expect_refused(ErrorCode::kFormat, {"empty"}, gguf_file({gguf_item("", kStringType, gguf_text("long enough"))}, {}));
  expect_refused(
      ErrorCode::kFormat, {"'w'", "twice"},
      gguf_file({}, {gguf_tensor("w", {1}, kF32, 0), gguf_tensor("w", {1}, kF32, 32)}, std::string(64, 'x')));
  expect_refused(ErrorCode::kFormat, {"no name"}, gguf_file({}, {gguf_tensor("", {1}, kF32, 0)}, std::string(64, 'x')));
}

TEST(GgufHeader, ValuesOfUnknownTypesAndBoolsBeyondOneAreRefused) {
  expect_refused(ErrorCode::kFormat, {"'k'", "type 13"}, gguf_file({gguf_item("k", 13, u64(1))}, {}));
  expect_refused(ErrorCode::kFormat, {"'k'", "type 99"},
                 gguf_file({gguf_item("k", kArrayType, gguf_array(99, 1, u64(1)))}, {}));
  expect_refused(ErrorCode::kFormat, {"'k'", "bool of 2"}, gguf_file({gguf_item("k", 7, "\2")}, {}));
  expect_refused(ErrorCode::kFormat, {"'k'", "bool of 255"},
                 gguf_file({gguf_item("k", kArrayType, gguf_array(7, 2, "\1\xff"))}, {}));
}

TEST(GgufHeader, OffsetsMustBeAlignedApartAndInsideTheFile) {
  const auto with = [&](uint64_t first, uint64_t second, size_t data) {
    return gguf_file({}, {gguf_tensor("a", {16}, kF32, first), gguf_tensor("b", {8}, kF32, second)},
                     std::string(data, 'x'));
  };
  EXPECT_NO_THROW(parse_gguf(with(0, 64, 96)));
  EXPECT_NO_THROW(parse_gguf(with(32, 0, 96)));
  expect_refused(ErrorCode::kFormat, {"'b'", "68", "alignment 32"}, with(0, 68, 200));
  expect_refused(ErrorCode::kFormat, {"'b'", "overlap"}, with(0, 32, 200));
  expect_refused(ErrorCode::kFormat, {"'a'", "overlap"}, with(0, 0, 200));
  expect_refused(ErrorCode::kFormat, {"'b'", "truncated"}, with(0, 64, 95));
  expect_refused(ErrorCode::kFormat, {"'b'", "truncated"}, with(0, ~uint64_t{0} - 31, 200));
  expect_refused(ErrorCode::kFormat, {"'a'", "truncated"}, with(uint64_t{1} << 63, 0, 200));
  expect_refused(ErrorCode::kFormat, {"'e'", "truncated"},
                 gguf_file({}, {gguf_tensor("e", {0}, kF32, 64)}, std::string(32, 'x')));
}

TEST(GgufHeader, RowsMustBeWholeBlocks) {
  for (const uint64_t row : {1, 31, 33}) {
    expect_refused(ErrorCode::kFormat, {"'w'", "Q8_0", std::to_string(row), "32"},
                   gguf_file({}, {gguf_tensor("w", {row, 32}, kQ8_0, 0)}, std::string(4096, 'x')));
  }
  expect_refused(ErrorCode::kFormat, {"'w'", "Q4_K", "128", "256"},
                 gguf_file({}, {gguf_tensor("w", {128, 2}, kQ4K, 0)}, std::string(4096, 'x')));
  expect_refused(ErrorCode::kFormat, {"'w'", "Q8_0"},
                 gguf_file({}, {gguf_tensor("w", {}, kQ8_0, 0)}, std::string(4096, 'x')));
}

TEST(GgufHeader, ShapesThatWrapAreRefused) {
  const uint64_t big = uint64_t{1} << 32;
  for (const auto& extents : std::vector<std::vector<uint64_t>>{{big, big},
                                                                {big, 0, big},
                                                                {0, big, big},
                                                                {uint64_t{1} << 63},
                                                                {~uint64_t{0}},
                                                                {uint64_t{1} << 62},
                                                                {uint64_t{1} << 61, 2, 2},
                                                                {65536, 65536, 65536, 65536}}) {
    expect_refused(ErrorCode::kFormat, {"'w'"},
                   gguf_file({}, {gguf_tensor("w", extents, kF32, 0)}, std::string(64, 'x')));
    expect_refused(ErrorCode::kFormat, {"'w'"},
                   gguf_file({}, {gguf_tensor("w", extents, kQ4K, 0)}, std::string(64, 'x')));
  }
  EXPECT_NO_THROW(parse_gguf(gguf_file({}, {gguf_tensor("w", {0, big}, kF32, 0)})));
}

TEST(GgufHeader, MoreThanFourDimensionsAreRefused) {
  expect_refused(ErrorCode::kFormat, {"'w'", "5 dimensions"},
                 gguf_file({}, {gguf_tensor("w", {1, 1, 1, 1, 1}, kF32, 0)}, std::string(64, 'x')));
  const std::string many = "GGUF" + u32(3) + u64(1) + u64(0) + gguf_text("w") + u32(0xffffffff) + std::string(64, 'x');
  expect_refused(ErrorCode::kFormat, {"'w'", "4294967295 dimensions"}, many);
}

std::string nested(int depth, const std::string& innermost) {
  std::string value = innermost;
  for (int i = 1; i < depth; ++i) value = gguf_array(kArrayType, 1, value);
  return value;
}

TEST(GgufHeader, ArraysNestToADepthAndNoDeeper) {
  const std::string leaf = gguf_array(kU32Type, 2, u32(5) + u32(6));
  const GgufHeader header = parse_gguf(gguf_file({gguf_item("k", kArrayType, nested(8, leaf))}, {}));
  const GgufValue* value = header.metadata.find("k");
  for (int i = 1; i < 8; ++i) {
    ASSERT_EQ(value->arrays.size(), 1u);
    value = &value->arrays[0];
  }
  EXPECT_EQ(*value, GgufValue::of_u32s({5, 6}));
  expect_refused(ErrorCode::kFormat, {"'k'", "deeper"}, gguf_file({gguf_item("k", kArrayType, nested(9, leaf))}, {}));
  expect_refused(ErrorCode::kFormat, {"'k'", "deeper"},
                 gguf_file({gguf_item("k", kArrayType, nested(100000, leaf))}, {}));
  // Wide instead of deep: as many as the file can hold, and no more.
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += gguf_array(kArrayType, 0, "");
  EXPECT_EQ(parse_gguf(gguf_file({gguf_item("k", kArrayType, gguf_array(kArrayType, 1000, wide))}, {}))
                .metadata.find("k")
                ->length(),
            1000u);
  expect_refused(ErrorCode::kFormat, {"1001", "'k'"},
                 gguf_file({gguf_item("k", kArrayType, gguf_array(kArrayType, 1001, wide))}, {}));
}

// A small file with all that a file can have.
std::string rich_file() {
  return gguf_file(
      {gguf_item("text", kStringType, gguf_text("value")), gguf_item("bool", 7, "\1"), alignment(32),
       gguf_item("texts", kArrayType, gguf_array(kStringType, 2, gguf_text("a") + gguf_text(""))),
       gguf_item("numbers", kArrayType, gguf_array(12, 2, std::string(16, '\1'))),
       gguf_item("nested", kArrayType, gguf_array(kArrayType, 1, gguf_array(7, 2, std::string("\0\1", 2))))},
      {gguf_tensor("w", {2, 3}, kF32, 0), gguf_tensor("q", {32}, kQ8_0, 32)}, std::string(66, 'x'));
}

TEST(GgufHeader, TruncatedAnywhereItIsRefused) {
  const std::string file = rich_file();
  ASSERT_NO_THROW(parse_gguf(file));
  for (size_t size = 0; size < file.size(); ++size) expect_refused(ErrorCode::kFormat, {}, file.substr(0, size));
}

TEST(GgufHeader, WithAnyByteChangedItIsReadOrRefusedAndNothingElse) {
  const std::string file = rich_file();
  size_t accepted = 0, refused = 0;
  for (size_t place = 0; place < file.size(); ++place) {
    for (const int value : {0, 1, 2, 9, 0x20, 0x7f, 0x80, 0xff}) {
      std::string changed = file;
      changed[place] = static_cast<char>(value);
      try {
        const GgufHeader header = parse_gguf(changed);
        for (const StoredTensor& tensor : header.tensors) {
          ASSERT_LE(tensor.offset + tensor.spec.size_bytes(), changed.size()) << place;
        }
        ++accepted;
      } catch (const Error& error) {
        ASSERT_TRUE(error.code() == ErrorCode::kFormat || error.code() == ErrorCode::kUnsupported) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(refused, accepted / 4);
}

}  // namespace
}  // namespace prunenet
