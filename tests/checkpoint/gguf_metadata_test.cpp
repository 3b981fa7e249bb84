// Metadata of GGUF: values, changes that keep the order, and reading with conversion.
#include "checkpoint/gguf_metadata.h"

#include <cstring>
#include <limits>

#include "support/support.h"

namespace prunenet {
namespace {

using test::expect_error;

std::vector<std::string> keys(const GgufMetadata& metadata) {
  std::vector<std::string> names;
  for (const auto& item : metadata.items()) names.push_back(item.key);
  return names;
}

GgufMetadata abc() {
  GgufMetadata metadata;
  metadata.set("a", GgufValue::of_u32(1));
  metadata.set("b", GgufValue::of_u32(2));
  metadata.set("c", GgufValue::of_u32(3));
  return metadata;
}

template <typename Stored>
GgufValue stored(GgufType type, Stored value) {
  GgufValue made{.type = type, .bytes = std::string(sizeof value, '\0')};
  std::memcpy(made.bytes.data(), &value, sizeof value);
  return made;
}

TEST(GgufMetadata, TypesHaveTheNumbersNamesAndSizesOfTheFormat) {
  const std::vector<std::pair<std::string, size_t>> expected{
      {"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
      {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8}};
  for (uint32_t number = 0; number < expected.size(); ++number) {
    EXPECT_EQ(gguf_type_name(static_cast<GgufType>(number)), expected[number].first);
    EXPECT_EQ(gguf_type_size_bytes(static_cast<GgufType>(number)), expected[number].second);
  }
}

TEST(GgufMetadata, SetReplacesInPlaceOrAddsAtTheEnd) {
  GgufMetadata metadata = abc();
  metadata.set("b", GgufValue::of_text("new"));
  metadata.set("d", GgufValue::of_bool(true));
  EXPECT_EQ(keys(metadata), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(metadata.text("b", "f"), "new");
  EXPECT_EQ(metadata.flag("d", "f"), true);
}

TEST(GgufMetadata, EraseKeepsTheOrderAndFindsTheOthers) {
  GgufMetadata metadata = abc();
  metadata.erase("a");
  metadata.erase("absent");
  EXPECT_EQ(keys(metadata), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(metadata.find("a"), nullptr);
  EXPECT_EQ(metadata.integer("b", "f"), 2);
  EXPECT_EQ(metadata.integer("c", "f"), 3);
  metadata.set("a", GgufValue::of_u32(4));
  EXPECT_EQ(keys(metadata), (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_EQ(metadata.integer("a", "f"), 4);
}

TEST(GgufMetadata, RenameKeepsPlaceAndValue) {
  GgufMetadata metadata = abc();
  metadata.rename("b", "deci.b");
  metadata.rename("absent", "x");
  metadata.rename("c", "c");
  EXPECT_EQ(keys(metadata), (std::vector<std::string>{"a", "deci.b", "c"}));
  EXPECT_FALSE(metadata.has("b"));
  EXPECT_FALSE(metadata.has("x"));
  EXPECT_EQ(metadata.integer("deci.b", "f"), 2);
  expect_error(ErrorCode::kInternal, {}, [&] { metadata.rename("a", "c"); });
}

TEST(GgufMetadata, EveryIntegerTypeReadsAsOneAndAsANumber) {
  const std::vector<std::pair<GgufValue, int64_t>> cases{
      {stored(GgufType::kU8, uint8_t{200}), 200},
      {stored(GgufType::kI8, int8_t{-100}), -100},
      {stored(GgufType::kU16, uint16_t{60000}), 60000},
      {stored(GgufType::kI16, int16_t{-30000}), -30000},
      {GgufValue::of_u32(4000000000u), 4000000000},
      {GgufValue::of_i32(-2000000000), -2000000000},
      {GgufValue::of_u64(uint64_t{1} << 62), int64_t{1} << 62},
      {stored(GgufType::kI64, std::numeric_limits<int64_t>::min()), std::numeric_limits<int64_t>::min()}};
  for (const auto& [value, expected] : cases) {
    GgufMetadata metadata;
    metadata.set("k", value);
    EXPECT_EQ(metadata.integer("k", "f"), expected) << gguf_type_name(value.type);
    EXPECT_EQ(metadata.number("k", "f"), static_cast<double>(expected)) << gguf_type_name(value.type);
    GgufMetadata list;
    list.set("k", {.type = GgufType::kArray, .element = value.type, .packed = value.bytes + value.bytes});
    EXPECT_EQ(list.find("k")->length(), 2u);
    EXPECT_EQ(list.integers("k", "f"), (std::vector<int64_t>{expected, expected})) << gguf_type_name(value.type);
    EXPECT_EQ(list.numbers("k", "f"), std::vector<double>(2, static_cast<double>(expected)));
  }
}

TEST(GgufMetadata, FloatsReadAsNumbersAndNotAsIntegers) {
  GgufMetadata metadata;
  metadata.set("f32", GgufValue::of_f32(0.1f));
  metadata.set("f64", stored(GgufType::kF64, 0.1));
  metadata.set("f32s", GgufValue::of_f32s({1.5f, -2.0f}));
  EXPECT_EQ(metadata.number("f32", "f"), 0.1f);
  EXPECT_EQ(metadata.number("f64", "f"), 0.1);
  EXPECT_EQ(metadata.numbers("f32s", "f"), (std::vector<double>{1.5, -2.0}));
  expect_error(ErrorCode::kFormat, {"f:", "'f32'", "f32", "expected an integer"},
               [&] { metadata.integer("f32", "f"); });
  expect_error(ErrorCode::kFormat, {"'f32s'", "array of f32", "integers"}, [&] { metadata.integers("f32s", "f"); });
}

TEST(GgufMetadata, AnIntegerBeyond63BitsIsRefusedAsOneAndReadAsANumber) {
  GgufMetadata metadata;
  metadata.set("k", GgufValue::of_u64(uint64_t{1} << 63));
  metadata.set("ks", {.type = GgufType::kArray, .element = GgufType::kU64, .packed = std::string(8, '\xff')});
  EXPECT_EQ(metadata.number("k", "f"), 0x1p63);
  expect_error(ErrorCode::kFormat, {"'k'", "63 bits"}, [&] { metadata.integer("k", "f"); });
  expect_error(ErrorCode::kFormat, {"'ks'", "63 bits"}, [&] { metadata.integers("ks", "f"); });
}

TEST(GgufMetadata, WhatIsAbsentIsNothingAndWhatIsOfAnotherKindIsRefused) {
  GgufMetadata metadata;
  metadata.set("text", GgufValue::of_text("3"));
  metadata.set("bool", GgufValue::of_bool(false));
  metadata.set("number", GgufValue::of_u32(3));
  metadata.set("texts", GgufValue::of_texts({"a", "b"}));
  metadata.set("numbers", GgufValue::of_i32s({1, -2}));
  EXPECT_EQ(metadata.text("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.integer("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.number("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.flag("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.texts("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.integers("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.numbers("no", "f"), std::nullopt);
  EXPECT_EQ(metadata.flag("bool", "f"), false);
  EXPECT_EQ(metadata.texts("texts", "f"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(metadata.integers("numbers", "f"), (std::vector<int64_t>{1, -2}));
  for (const char* key : {"bool", "number", "texts", "numbers"}) {
    expect_error(ErrorCode::kFormat, {"file", key, "a string"}, [&] { metadata.text(key, "file"); });
  }
  for (const char* key : {"text", "bool", "texts", "numbers"}) {
    expect_error(ErrorCode::kFormat, {key, "an integer"}, [&] { metadata.integer(key, "file"); });
    expect_error(ErrorCode::kFormat, {key, "a number"}, [&] { metadata.number(key, "file"); });
  }
  for (const char* key : {"text", "number", "texts"}) {
    expect_error(ErrorCode::kFormat, {key, "a bool"}, [&] { metadata.flag(key, "file"); });
    expect_error(ErrorCode::kFormat, {key, "array of integers"}, [&] { metadata.integers(key, "file"); });
    expect_error(ErrorCode::kFormat, {key, "array of numbers"}, [&] { metadata.numbers(key, "file"); });
  }
  for (const char* key : {"text", "number", "numbers"}) {
    expect_error(ErrorCode::kFormat, {key, "array of strings"}, [&] { metadata.texts(key, "file"); });
  }
}

}  // namespace
}  // namespace prunenet
