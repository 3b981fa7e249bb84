// Headers of GGUF files that are larger than memory should be: what one string and all of it may take. The files are
// sparse; zeros are empty strings and empty arrays.
#include <filesystem>

#include "checkpoint/gguf_helpers.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/gguf_writer.h"

namespace prunenet {
namespace {

using test::expect_error;
using test::gguf_array;
using test::gguf_file;
using test::gguf_item;
using test::gguf_text;
using test::parse_gguf;
using test::TemporaryFolder;
using test::u32;
using test::u64;

constexpr uint32_t kU8Type = 0, kU32Type = 4, kStringType = 8, kArrayType = 9;
constexpr uint64_t kMiB = 1u << 20;

// What is written of a header, and zeros behind it up to so many bytes.
void expect_refused(const std::string& start, uint64_t file_bytes, const std::vector<std::string>& fragments) {
  const TemporaryFolder folder;
  const auto path = folder / "sparse.gguf";
  test::write_bytes(path, start);
  std::error_code error;
  std::filesystem::resize_file(path, file_bytes, error);
  if (error) GTEST_SKIP() << "no file of " << file_bytes << " bytes can be made here: " << error.message();
  std::vector<std::string> all = fragments;
  all.push_back("sparse.gguf");
  expect_error(ErrorCode::kFormat, all, [&] { GgufFile{path}; });
}

std::string start_of(uint64_t keys, uint64_t tensors = 0) {
  return "GGUF" + u32(3) + u64(tensors) + u64(keys);
}

TEST(GgufLimits, OneStringIsBounded) {
  const auto limit = std::to_string(kMaxGgufTextBytes);
  for (const uint64_t length : {kMaxGgufTextBytes + 1, 3072 * kMiB}) {
    const auto stated = std::to_string(length);
    expect_refused(start_of(1) + gguf_text("a.key") + u32(kStringType) + u64(length), 4096 * kMiB,
                   {"'a.key'", stated, limit});
    expect_refused(start_of(1) + gguf_item("a.key", kArrayType, gguf_array(kStringType, 2, u64(0) + u64(length))),
                   4096 * kMiB, {"'a.key'", stated, limit});
  }
  expect_refused(start_of(1) + gguf_text("a.key") + u32(kStringType) + u64(400 * 1024 * kMiB), 500 * 1024 * kMiB,
                 {"'a.key'", limit});
}

TEST(GgufLimits, KeysAndNamesAreBounded) {
  const auto length = std::to_string(kMaxGgufNameBytes + 1), limit = std::to_string(kMaxGgufNameBytes);
  expect_refused(start_of(1) + u64(kMaxGgufNameBytes + 1), kMiB, {"key", length, limit});
  expect_refused(start_of(0, 1) + u64(kMaxGgufNameBytes + 1), kMiB, {"name", length, limit});
  const std::string longest(kMaxGgufNameBytes, 'k');
  EXPECT_TRUE(parse_gguf(gguf_file({gguf_item(longest, kU32Type, u32(1))}, {})).metadata.has(longest));
}

TEST(GgufLimits, ManyEmptyElementsCountAsTheObjectsThatTheyBecome) {
  const auto limit = std::to_string(kMaxGgufHeaderBytes);
  expect_refused(start_of(1) + gguf_item("texts", kArrayType, gguf_array(kStringType, 60'000'000, "")), 600'000'000,
                 {"'texts'", limit});
  expect_refused(start_of(1) + gguf_item("arrays", kArrayType, gguf_array(kArrayType, 20'000'000, "")), 300'000'000,
                 {"'arrays'", limit});
  expect_refused(start_of(1) + gguf_item("numbers", kArrayType, gguf_array(kU8Type, 200 * kMiB, "")), 300 * kMiB,
                 {"'numbers'", limit});
  expect_refused(start_of(0, 10'000'000), 300'000'000, {"10000000 tensors", limit});
}

TEST(GgufLimits, AllTogetherIsBounded) {
  std::string items;
  for (int i = 0; i < 200'000; ++i) {
    items += gguf_item("key" + std::to_string(i), kArrayType, gguf_array(kU8Type, 1024, std::string(1024, '\0')));
  }
  // 200 thousand keys of 8 KiB each, as numbers; the one that goes beyond is named.
  expect_refused(start_of(200'000) + items, items.size() + 64, {"'key", std::to_string(kMaxGgufHeaderBytes)});
}

TEST(GgufLimits, LargeRealVocabulariesStayFarBelow) {
  std::string tokens, merges;
  constexpr uint64_t kTokens = 512'000;  // twice the largest of today
  for (uint64_t i = 0; i < kTokens; ++i) {
    const std::string token = "a token of some length " + std::to_string(i);
    tokens += gguf_text(token);
    merges += gguf_text(token + " " + token);
  }
  const GgufHeader header = parse_gguf(
      gguf_file({gguf_item("tokenizer.ggml.tokens", kArrayType, gguf_array(kStringType, kTokens, tokens)),
                 gguf_item("tokenizer.ggml.merges", kArrayType, gguf_array(kStringType, kTokens, merges)),
                 gguf_item("tokenizer.ggml.scores", kArrayType, gguf_array(6, kTokens, std::string(4 * kTokens, '\0'))),
                 gguf_item("prunenet.json", kStringType, gguf_text(std::string(40 * kMiB, '{')))},
                {}));
  EXPECT_EQ(header.metadata.find("tokenizer.ggml.merges")->texts.size(), kTokens);
}

TEST(GgufLimits, TheWriterKeepsToTheLengthOfKeys) {
  GgufMetadata metadata;
  metadata.set(std::string(kMaxGgufNameBytes, 'k'), GgufValue::of_u32(1));
  EXPECT_NO_THROW(format_gguf_header(metadata, {}, "out.gguf"));
  metadata.set(std::string(kMaxGgufNameBytes + 1, 'k'), GgufValue::of_u32(1));
  expect_error(ErrorCode::kFormat, {"out.gguf", std::to_string(kMaxGgufNameBytes)},
               [&] { format_gguf_header(metadata, {}, "out.gguf"); });
}

}  // namespace
}  // namespace prunenet
