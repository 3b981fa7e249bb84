// Writing GGUF: every type of metadata and tensors there and back to the byte, alignment, and what is refused.
#include "checkpoint/gguf_writer.h"

#include <sys/stat.h>

#include <cstring>

#include "checkpoint/gguf_helpers.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::gguf_array;
using test::gguf_file;
using test::gguf_item;
using test::gguf_tensor;
using test::gguf_text;
using test::read_bytes;
using test::TemporaryFolder;
using test::u32;
using test::u64;
using test::write_bytes;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void write(const fs::path& path, const GgufMetadata& metadata, const std::vector<TensorSpec>& tensors,
           const std::string& data) {
  GgufWriter writer(path, metadata, tensors);
  writer.append(bytes_of(data));
  writer.finish();
  EXPECT_EQ(writer.total_bytes(), fs::file_size(path));
}

// What a reader makes of a file, written again.
std::string rewritten(const std::string& file) {
  const TemporaryFolder folder;
  write_bytes(folder / "in.gguf", file);
  const GgufFile in(folder / "in.gguf");
  std::vector<TensorSpec> specs;
  std::string data;
  for (const StoredTensor& tensor : in.header().tensors) {
    specs.push_back(tensor.spec);
    const auto bytes = in.bytes(tensor);
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  write(folder / "out.gguf", in.metadata(), specs, data);
  return read_bytes(folder / "out.gguf");
}

// Every type alone and in arrays of none and of several, with bit patterns that a conversion would not survive.
std::vector<std::string> items_of_every_type() {
  const std::vector<std::string> patterns{"\xff",
                                          "\x80",
                                          "\xff\xfe",
                                          std::string("\x00\x80", 2),
                                          "\xff\xff\xff\xff",
                                          std::string("\x00\x00\x00\x80", 4),
                                          std::string("\x01\x00\xa0\x7f", 4),  // a signalling NaN
                                          "\x01",
                                          "",
                                          "",
                                          std::string(8, '\xff'),
                                          std::string("\0\0\0\0\0\0\0\x80", 8),
                                          std::string("\x01\x00\x00\x00\x00\x00\xf4\xff", 8)};
  std::vector<std::string> items;
  for (uint32_t type = 0; type < 13; ++type) {
    if (type == 8 || type == 9) continue;
    const std::string name = std::to_string(type);
    items.push_back(gguf_item("scalar." + name, type, patterns[type]));
    items.push_back(
        gguf_item("array." + name, 9, gguf_array(type, 3, patterns[type] + patterns[type] + patterns[type])));
    items.push_back(gguf_item("empty." + name, 9, gguf_array(type, 0, "")));
  }
  const std::string odd("a\0\xff\n", 4);
  items.push_back(gguf_item("z.text", 8, gguf_text(odd)));
  items.push_back(gguf_item("y.text.empty", 8, gguf_text("")));
  items.push_back(gguf_item("x.texts", 9, gguf_array(8, 3, gguf_text("") + gguf_text(odd) + gguf_text("last"))));
  items.push_back(gguf_item("w.texts.empty", 9, gguf_array(8, 0, "")));
  items.push_back(gguf_item("v.arrays.empty", 9, gguf_array(9, 0, "")));
  items.push_back(gguf_item("u.arrays", 9,
                            gguf_array(9, 3,
                                       gguf_array(4, 1, u32(7)) + gguf_array(8, 1, gguf_text("t")) +
                                           gguf_array(9, 1, gguf_array(7, 1, "\1")))));
  return items;
}

TEST(GgufWriter, WritesEveryTypeOfMetadataAsItWasRead) {
  const std::string file = gguf_file(items_of_every_type(), {});
  EXPECT_EQ(rewritten(file), file);
  EXPECT_EQ(rewritten(gguf_file({}, {})), gguf_file({}, {}));
}

TEST(GgufWriter, WritesEveryTypeOfTensorAsItWasRead) {
  std::vector<std::string> tensors;
  std::string data;
  for (const uint32_t type : {0u, 1u, 2u, 3u, 6u, 7u, 8u, 12u, 13u, 14u, 24u, 25u, 26u, 27u, 28u, 30u}) {
    const std::string one = gguf_tensor("w" + std::to_string(type), {256, 3}, type, data.size());
    const uint64_t size = test::parse_gguf(gguf_file({}, {gguf_tensor("w", {256, 3}, type, 0)}, std::string(8192, 'x')))
                              .tensors[0]
                              .spec.size_bytes();
    tensors.push_back(one);
    data += std::string(size, static_cast<char>('a' + type));
    data.append((32 - data.size() % 32) % 32, '\0');
  }
  tensors.push_back(gguf_tensor("scalar", {}, 0, data.size()));
  data += "1234" + std::string(28, '\0');
  tensors.push_back(gguf_tensor("four", {2, 1, 3, 1}, 0, data.size()));
  data += std::string(24, 'y') + std::string(8, '\0');
  const std::string file = gguf_file(items_of_every_type(), tensors, data);
  EXPECT_TRUE(rewritten(file) == file);
}

TEST(GgufWriter, MakesTheFileThatTheFormatDescribes) {
  const TemporaryFolder folder;
  GgufMetadata metadata;
  metadata.set("general.architecture", GgufValue::of_text("llama"));
  metadata.set("a.u32", GgufValue::of_u32(0x01020304));
  metadata.set("a.i32", GgufValue::of_i32(-2));
  metadata.set("a.u64", GgufValue::of_u64(uint64_t{1} << 40));
  metadata.set("a.f32", GgufValue::of_f32(1.0f));
  metadata.set("a.bool", GgufValue::of_bool(true));
  metadata.set("a.i32s", GgufValue::of_i32s({1, -1}));
  metadata.set("a.u32s", GgufValue::of_u32s({9}));
  metadata.set("a.f32s", GgufValue::of_f32s({-2.0f}));
  metadata.set("a.texts", GgufValue::of_texts({"x", ""}));
  write(folder / "f.gguf", metadata, {{"w", Dtype::kF32, {3, 2}}, {"b", Dtype::kF16, {5}}},
        std::string(24, 'w') + std::string(10, 'b'));
  const std::string expected =
      gguf_file({gguf_item("general.architecture", 8, gguf_text("llama")), gguf_item("a.u32", 4, "\x04\x03\x02\x01"),
                 gguf_item("a.i32", 5, "\xfe\xff\xff\xff"), gguf_item("a.u64", 10, u64(uint64_t{1} << 40)),
                 gguf_item("a.f32", 6, std::string("\x00\x00\x80\x3f", 4)), gguf_item("a.bool", 7, "\1"),
                 gguf_item("a.i32s", 9, gguf_array(5, 2, u32(1) + "\xff\xff\xff\xff")),
                 gguf_item("a.u32s", 9, gguf_array(4, 1, u32(9))),
                 gguf_item("a.f32s", 9, gguf_array(6, 1, std::string("\x00\x00\x00\xc0", 4))),
                 gguf_item("a.texts", 9, gguf_array(8, 2, gguf_text("x") + gguf_text("")))},
                {gguf_tensor("w", {2, 3}, 0, 0), gguf_tensor("b", {5}, 1, 32)},
                std::string(24, 'w') + std::string(8, '\0') + std::string(10, 'b') + std::string(22, '\0'));
  EXPECT_EQ(read_bytes(folder / "f.gguf"), expected);
}

TEST(GgufWriter, TakesTensorsInPiecesOfAnySize) {
  const std::vector<TensorSpec> specs{{"a", Dtype::kF32, {3}},
                                      {"none", Dtype::kF32, {0, 4}},
                                      {"b", Dtype::kQ8_0, {2, 32}},
                                      {"c", Dtype::kF64, {8}},
                                      {"end", Dtype::kF32, {0}}};
  const std::string data = std::string(12, 'a') + std::string(68, 'b') + std::string(64, 'c');
  const TemporaryFolder folder;
  write(folder / "whole.gguf", {}, specs, data);
  const std::string expected = read_bytes(folder / "whole.gguf");
  for (const size_t piece : {1, 5, 12, 32, 143}) {
    const fs::path path = folder / ("pieces-" + std::to_string(piece));
    GgufWriter writer(path, {}, specs);
    for (size_t at = 0; at < data.size(); at += piece) writer.append(bytes_of(data.substr(at, piece)));
    writer.finish();
    EXPECT_EQ(read_bytes(path), expected) << piece;
  }
  const GgufFile file(folder / "whole.gguf");
  ASSERT_EQ(file.header().tensors.size(), 5u);
  for (size_t i = 0; i < specs.size(); ++i) EXPECT_EQ(file.header().tensors[i].spec.name, specs[i].name);
}

TEST(GgufWriter, KeepsToTheStatedAlignment) {
  for (const uint32_t alignment : {1u, 8u, 64u, 8192u, 1u << 20}) {
    const TemporaryFolder folder;
    GgufMetadata metadata;
    metadata.set("general.alignment", GgufValue::of_u32(alignment));
    write(folder / "f.gguf", metadata, {{"a", Dtype::kF32, {1}}, {"b", Dtype::kF32, {1}}}, "aaaabbbb");
    const GgufFile file(folder / "f.gguf");
    EXPECT_EQ(file.header().alignment, alignment);
    for (const StoredTensor& tensor : file.header().tensors) EXPECT_EQ(tensor.offset % alignment, 0u);
    EXPECT_EQ(file.file().size_bytes() % alignment, 0u);
    const auto last = file.bytes(file.header().tensors.back());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(last.data()), last.size()), "bbbb");
  }
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHoldBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const fs::path path = folder / "f.gguf";
  const auto refuse = [&](ErrorCode code, const std::vector<std::string>& fragments,
                          const std::vector<TensorSpec>& tensors, const GgufMetadata& metadata = {}) {
    expect_error(code, fragments, [&] { GgufWriter(path, metadata, tensors); });
    EXPECT_FALSE(fs::exists(path));
  };
  refuse(ErrorCode::kUnsupported, {"'w'", "U8"}, {{"w", Dtype::kU8, {1}}});
  refuse(ErrorCode::kUnsupported, {"'w'", "BOOL"}, {{"w", Dtype::kBool, {1}}});
  refuse(ErrorCode::kUnsupported, {"'w'", "F8_E4M3"}, {{"w", Dtype::kF8E4M3, {1}}});
  refuse(ErrorCode::kFormat, {"'w'", "5 dimensions"}, {{"w", Dtype::kF32, {1, 1, 1, 1, 1}}});
  refuse(ErrorCode::kFormat, {"'w'", "rows of 40"}, {{"w", Dtype::kQ8_0, {4, 40}}});
  refuse(ErrorCode::kFormat, {"'w'", "rows of 1 "}, {{"w", Dtype::kQ8_0, {}}});
  refuse(ErrorCode::kFormat, {"64 bytes"}, {{std::string(64, 'w'), Dtype::kF32, {1}}});
  refuse(ErrorCode::kFormat, {"0 bytes"}, {{"", Dtype::kF32, {1}}});
  refuse(ErrorCode::kFormat, {"two tensors", "'w'"}, {{"w", Dtype::kF32, {1}}, {"w", Dtype::kF32, {1}}});
  GgufMetadata metadata;
  for (const uint32_t alignment : {0u, 3u, 48u, 1u << 21, 0x80000000u}) {
    metadata.set("general.alignment", GgufValue::of_u32(alignment));
    refuse(ErrorCode::kFormat, {"general.alignment"}, {}, metadata);
  }
  metadata.set("general.alignment", GgufValue::of_text("32"));
  refuse(ErrorCode::kFormat, {"general.alignment"}, {}, metadata);
  GgufMetadata nameless;
  nameless.set("", GgufValue::of_u32(1));
  refuse(ErrorCode::kFormat, {"key is empty"}, {}, nameless);
  EXPECT_NO_THROW(GgufWriter(path, {}, {{std::string(63, 'w'), Dtype::kF32, {1}}}));
  expect_error(ErrorCode::kExists, {path.string()}, [&] { GgufWriter(path, {}, {}); });
}

// Whoever asks for free space between planning and writing must not find the file's own share gone.
TEST(GgufWriter, TakesNoRoomBeforeTheFirstBytes) {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "out.gguf", {}, {{"w", Dtype::kF32, {1 << 20}}});
  struct stat status {};
  ASSERT_EQ(::stat((folder / "out.gguf").c_str(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
  writer.append(std::vector<std::byte>(4 << 20));
  writer.finish();
  EXPECT_EQ(fs::file_size(folder / "out.gguf"), writer.total_bytes());
}

TEST(GgufWriter, MoreOrFewerBytesThanPlannedAreADefect) {
  const TemporaryFolder folder;
  GgufWriter more(folder / "more", {}, {{"w", Dtype::kF32, {1}}});
  expect_error(ErrorCode::kInternal, {}, [&] { more.append(bytes_of("12345")); });
  GgufWriter fewer(folder / "fewer", {}, {{"w", Dtype::kF32, {1}}});
  fewer.append(bytes_of("123"));
  expect_error(ErrorCode::kInternal, {}, [&] { fewer.finish(); });
}

}  // namespace
}  // namespace prunenet
