// Headers that break the format: each kind is refused with an error that says what is wrong.
#include "base/system.h"
#include "checkpoint/header_helpers.h"

namespace prunenet {
namespace {

using test::entry;
using test::expect_error;
using test::file_of;
using test::length_bytes;
using test::parse;

void expect_refused(const std::string& file, const std::vector<std::string>& fragments,
                    ErrorCode code = ErrorCode::kFormat) {
  std::vector<std::string> all{"hostile.safetensors: "};
  all.insert(all.end(), fragments.begin(), fragments.end());
  expect_error(code, all, [&] { parse(file); });
}

TEST(HostileHeader, FileTooShortForALength) {
  expect_refused("", {"0 bytes long", "too short"});
  expect_refused("1234567", {"7 bytes long", "too short"});
}

TEST(HostileHeader, LengthBeyondTheFile) {
  expect_refused(length_bytes(3) + "{}", {"header of 3 bytes", "only 2 follow", "truncated"});
  expect_refused(length_bytes(1), {"header of 1 bytes", "only 0 follow"});
  const std::string whole = file_of("{" + entry("a", "U8", "[4]", "[0,4]") + "}", 4);
  expect_refused(whole.substr(0, 30), {"truncated"});
}

TEST(HostileHeader, LengthBeyondTheLimit) {
  expect_refused(length_bytes(kMaxSafetensorsHeaderBytes + 1) + "{}",
                 {"header of 100000001 bytes", "at most 100000000"});
  expect_refused(length_bytes(~uint64_t{0}) + "{}", {"header of 18446744073709551615 bytes", "at most"});
  expect_refused(length_bytes(kMaxSafetensorsHeaderBytes) + "{}", {"only 2 follow"});  // the limit itself is allowed
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", {"no safetensors file"});
}

TEST(HostileHeader, NoJson) {
  expect_refused(file_of(""), {"no JSON", "wrong at byte"});
  expect_refused(file_of("        "), {"no JSON"});
  expect_refused(file_of("{"), {"no JSON", "wrong at byte"});
  expect_refused(file_of("{} {}"), {"no JSON", "wrong at byte"});
  expect_refused(file_of(R"({"a":nan})"), {"no JSON"});
  expect_refused(file_of("{'a':1}"), {"no JSON"});
  expect_refused(file_of("{/* comment */}"), {"no JSON"});
  expect_refused(file_of("{\"a\xff\":{}}"), {"no JSON"});     // not UTF-8
  expect_refused(file_of("{\"a\\ud800\":{}}"), {"no JSON"});  // half a surrogate pair
  expect_refused(file_of("{" + entry("a", "U8", "[4]", "[0,4]") + ",}", 4), {"no JSON"});
  expect_refused(file_of("{" + entry("a", "U8", "[1e999]", "[0,4]") + "}", 4), {"no JSON"});
}

// A zero byte ends the text for some parsers, which then overlook what follows.
TEST(HostileHeader, ZeroBytesAreNoJson) {
  using namespace std::string_literals;
  expect_refused(file_of("{}\0"s), {"no JSON"});
  expect_refused(file_of("{}\0garbage"s), {"no JSON"});
  expect_refused(file_of("\0\0\0\0\0\0\0\0"s), {"no JSON"});
  expect_refused(file_of("{\0}"s), {"no JSON"});
}

TEST(HostileHeader, JsonThatIsNoObject) {
  for (const char* json : {"[]", "5", "-5", "0.5", "\"text\"", "null", "true", R"([{"a":1}])"}) {
    expect_refused(file_of(json), {"not a JSON object"});
  }
}

TEST(HostileHeader, EntriesThatAreNoTensors) {
  expect_refused(file_of(R"({"a":5})"), {"'a'", "number"});
  expect_refused(file_of(R"({"a":"F32"})"), {"'a'", "text"});
  expect_refused(file_of(R"({"a":[1,2]})"), {"'a'", "list"});
  expect_refused(file_of(R"({"a":null})"), {"'a'", "null"});
  expect_refused(file_of(R"({"a":{"dtype":{}}})"), {"'a'", "object"});
}

TEST(HostileHeader, MissingUnknownAndDoubledFields) {
  const std::string needs = "it needs 'dtype', 'shape' and 'data_offsets'";
  expect_refused(file_of(R"({"a":{}})"), {"'a'", needs});
  expect_refused(file_of(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), {needs});
  expect_refused(file_of(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), {needs});
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[1]}})"), {needs});
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1), {"unknown field 'x'"});
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1), {"'shape' twice"});
  expect_refused(file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
                 {"'dtype' twice"});
  // What one entry has must not count for the next.
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[0,1]") + R"(,"b":{"shape":[1],"data_offsets":[1,2]}})", 2),
                 {"'b'", needs});
}

TEST(HostileHeader, FieldsOfTheWrongKind) {
  expect_refused(file_of(R"({"a":{"dtype":1}})"), {"'a'", "number"});
  expect_refused(file_of(R"({"a":{"dtype":["F32"]}})"), {"'a'", "list"});
  expect_refused(file_of(R"({"a":{"shape":3}})"), {"'a'", "number"});
  expect_refused(file_of(R"({"a":{"shape":"3"}})"), {"'a'", "'shape' is a text"});
  expect_refused(file_of(R"({"a":{"shape":["3"]}})"), {"'a'", "text"});
  expect_refused(file_of(R"({"a":{"shape":[[3]]}})"), {"'a'", "list"});
  expect_refused(file_of(R"({"a":{"shape":[{}]}})"), {"'a'", "object inside a list"});
  expect_refused(file_of(R"({"a":{"shape":[null]}})"), {"'a'", "null"});
  expect_refused(file_of(R"({"a":{"shape":[true]}})"), {"'a'", "boolean"});
  expect_refused(file_of(R"({"a":{"shape":[-1]}})"), {"'a'", "negative"});
  expect_refused(file_of(R"({"a":{"shape":[1.5]}})"), {"'a'", "not whole"});
  expect_refused(file_of(R"({"a":{"shape":[99999999999999999999]}})"), {"'a'", "not whole"});  // beyond 64 bits
}

TEST(HostileHeader, OffsetsOfTheWrongNumber) {
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[]") + "}", 1), {"holds 0 numbers, not 2"});
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[0]") + "}", 1), {"holds 1 numbers, not 2"});
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[0,1,1]") + "}", 1), {"more than 2 numbers"});
}

TEST(HostileHeader, UnknownDtypeIsNamedAndUnsupported) {
  for (const char* dtype : {"F4", "f32", "", "BF17"}) {
    expect_refused(file_of("{" + entry("w", dtype, "[1]", "[0,1]") + "}", 1),
                   {"tensor 'w'", "unknown dtype '" + std::string(dtype) + "'"}, ErrorCode::kUnsupported);
  }
}

TEST(HostileHeader, TwoEntriesOfOneName) {
  const std::string a = entry("a", "U8", "[1]", "[0,1]");
  expect_refused(file_of("{" + a + "," + entry("a", "U8", "[1]", "[1,2]") + "}", 2), {"two entries named 'a'"});
  expect_refused(file_of("{" + a + "," + entry("\\u0061", "U8", "[1]", "[1,2]") + "}", 2), {"two entries named 'a'"});
  expect_refused(file_of(R"({"__metadata__":{},"__metadata__":{}})"), {"two entries named '__metadata__'"});
}

TEST(HostileHeader, MetadataOtherThanTexts) {
  expect_refused(file_of(R"({"__metadata__":"x"})"), {"__metadata__", "text"});
  expect_refused(file_of(R"({"__metadata__":null})"), {"__metadata__", "null"});
  expect_refused(file_of(R"({"__metadata__":[]})"), {"__metadata__", "list"});
  expect_refused(file_of(R"({"__metadata__":{"a":1}})"), {"__metadata__", "number"});
  expect_refused(file_of(R"({"__metadata__":{"a":{}}})"), {"__metadata__", "object"});
  expect_refused(file_of(R"({"__metadata__":{"shape":[1]}})"), {"__metadata__", "list"});
}

TEST(HostileHeader, ShapeAndBytesThatDisagree) {
  expect_refused(file_of("{" + entry("a", "F32", "[2]", "[0,4]") + "}", 4),
                 {"'a'", "F32 [2] takes 8 bytes", "[0, 4] hold 4"});
  expect_refused(file_of("{" + entry("a", "U8", "[]", "[0,0]") + "}"), {"takes 1 bytes", "hold 0"});
  expect_refused(file_of("{" + entry("a", "U8", "[0]", "[0,1]") + "}", 1), {"takes 0 bytes", "hold 1"});
}

TEST(HostileHeader, ShapesBeyondAnyFile) {
  const std::string large = "'a': its shape is larger than any file";
  expect_refused(file_of("{" + entry("a", "F32", "[9223372036854775807,9223372036854775807]", "[0,4]") + "}", 4),
                 {large});
  // 2^32 * 2^32 elements and 2^62 of 4 bytes: zero when the product wraps.
  expect_refused(file_of("{" + entry("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}"), {large});
  expect_refused(file_of("{" + entry("a", "F32", "[4611686018427387904]", "[0,0]") + "}"), {large});
  expect_refused(file_of("{" + entry("a", "U8", "[9223372036854775808]", "[0,0]") + "}"), {"'a'", "63 bits"});
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[0,18446744073709551615]") + "}"), {"'a'", "63 bits"});
  expect_refused(file_of("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]") + "}", 1),
                 {"more than 16 dimensions"});
}

TEST(HostileHeader, OffsetsThatRunBackwards) {
  expect_refused(file_of("{" + entry("a", "U8", "[4]", "[4,0]") + "}", 4), {"'a'", "runs backwards: [4, 0]"});
}

TEST(HostileHeader, TensorsThatOverlap) {
  const std::string a = entry("a", "U8", "[4]", "[0,4]");
  expect_refused(file_of("{" + a + "," + entry("b", "U8", "[4]", "[2,6]") + "}", 6),
                 {"'b' starts at data byte 2, expected 4", "overlaps"});
  expect_refused(file_of("{" + a + "," + entry("b", "U8", "[4]", "[0,4]") + "}", 4), {"overlaps"});
  expect_refused(file_of("{" + a + "," + entry("b", "U8", "[0]", "[2,2]") + "}", 4), {"'b'", "overlaps"});
}

TEST(HostileHeader, TensorsWithAGap) {
  expect_refused(file_of("{" + entry("a", "U8", "[4]", "[1,5]") + "}", 5),
                 {"'a' starts at data byte 1, expected 0", "gap"});
  expect_refused(file_of("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[2,3]") + "}", 3),
                 {"'b' starts at data byte 2, expected 1", "gap"});
  expect_refused(file_of("{" + entry("a", "U8", "[0]", "[7,7]") + "}", 7), {"'a'", "gap"});
}

TEST(HostileHeader, TensorsBeyondTheFile) {
  expect_refused(file_of("{" + entry("a", "U8", "[4]", "[0,4]") + "}", 3),
                 {"'a' ends at data byte 4, but the file holds 3", "truncated"});
  expect_refused(file_of("{" + entry("a", "U8", "[9223372036854775807]", "[0,9223372036854775807]") + "," +
                             entry("b", "U8", "[9223372036854775807]", "[0,9223372036854775807]") + "}",
                         3),
                 {"truncated"});
}

TEST(HostileHeader, BytesAfterTheLastTensor) {
  expect_refused(file_of("{" + entry("a", "U8", "[4]", "[0,4]") + "}", 5), {"tensors take 4 bytes, the file holds 5"});
  expect_refused(file_of("{}", 1), {"tensors take 0 bytes, the file holds 1"});
}

// Fifty million brackets: refused at once, on whatever level they begin, and without a heap of memory for each.
TEST(HostileHeader, DeepNestingCostsNothing) {
  constexpr size_t kDepth = 50'000'000;
  const int64_t before = peak_rss_bytes();
  for (const char* start : {"", R"({"a":)", R"({"a":{"shape":)", R"({"__metadata__":{"a":)"}) {
    for (char bracket : {'[', '{'}) {
      std::string file = file_of(start + std::string(kDepth, bracket));
      try {
        parse_safetensors_header(std::as_bytes(std::span(file)), "hostile.safetensors");
        ADD_FAILURE() << "accepted " << start << bracket;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kFormat) << error.what();
      }
    }
  }
  // The text itself and its copies of 50 MB; a tree of the nesting would take gigabytes.
  EXPECT_LT(peak_rss_bytes() - before, 600'000'000);
}

}  // namespace
}  // namespace prunenet
