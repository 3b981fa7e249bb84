// A GGUF file as a checkpoint: what the rooms above see of it, and what is refused with a word on what to do.
#include <unistd.h>

#include <algorithm>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/checkpoint_writer.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/gguf_helpers.h"
#include "checkpoint/gguf_writer.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;
using test::write_bytes;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

GgufMetadata small_metadata() {
  GgufMetadata metadata;
  metadata.set("general.architecture", GgufValue::of_text("llama"));
  return metadata;
}

void write_small(const fs::path& path, const GgufMetadata& metadata = small_metadata(), char last = 'c') {
  GgufWriter writer(path, metadata,
                    {{"a", Dtype::kF32, {2, 2}}, {"q", Dtype::kQ8_0, {1, 32}}, {"big", Dtype::kF16, {20000}}});
  writer.append(bytes_of(std::string(16, 'a')));
  writer.append(bytes_of(std::string(34, 'q')));
  writer.append(bytes_of(std::string(39999, 'c') + last));
  writer.finish();
}

TEST(GgufCheckpoint, ShowsItsTensorsAsAFolderDoes) {
  const TemporaryFolder folder;
  const fs::path path = folder / "small.gguf";
  write_small(path);
  const Checkpoint checkpoint(path);
  ASSERT_NE(checkpoint.gguf(), nullptr);
  EXPECT_EQ(checkpoint.gguf()->metadata().text("general.architecture", "f"), "llama");
  EXPECT_EQ(checkpoint.folder(), path);
  EXPECT_EQ(checkpoint.config_text(), "");
  EXPECT_EQ(checkpoint.config_where(), path.string() + ": metadata");
  EXPECT_TRUE(checkpoint.metadata().empty());
  EXPECT_TRUE(checkpoint.side_files().copied.empty());
  EXPECT_TRUE(checkpoint.side_files().left_out.empty());
  ASSERT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(checkpoint.tensors()[0].stored.spec.name, "a");
  EXPECT_EQ(checkpoint.tensor_bytes(), 16u + 34u + 40000u);
  EXPECT_EQ(checkpoint.find("absent"), nullptr);
  expect_error(ErrorCode::kMismatch, {path.string(), "'absent'"}, [&] { checkpoint.at("absent"); });
  const auto& entry = checkpoint.at("q");
  EXPECT_EQ(entry.stored.spec.dtype, Dtype::kQ8_0);
  EXPECT_EQ(entry.stored.spec.shape, (std::vector<int64_t>{1, 32}));
  EXPECT_EQ(text_of(checkpoint.bytes(entry)), std::string(34, 'q'));
  EXPECT_EQ(checkpoint.where(entry), path.string() + ": tensor 'q'");
}

TEST(GgufCheckpoint, TensorsStayReadableAndInPlaceAfterReleaseAndMove) {
  const TemporaryFolder folder;
  write_small(folder / "small.gguf");
  Checkpoint first(folder / "small.gguf");
  const Checkpoint::Entry* entry = first.find("big");
  const auto bytes = first.bytes(*entry);
  first.release(*entry);
  const Checkpoint second(std::move(first));
  EXPECT_EQ(second.find("big"), entry);
  EXPECT_EQ(second.bytes(*entry).data(), bytes.data());
  EXPECT_EQ(text_of(bytes), std::string(40000, 'c'));
}

TEST(GgufCheckpoint, AFolderSaysThatItIsNone) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "{}");
  write_bytes(folder / "model.safetensors", test::safetensors_bytes({test::f32_tensor("x", {1}, {1})}));
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.gguf(), nullptr);
  EXPECT_EQ(checkpoint.config_where(), (folder / "config.json").string());
}

TEST(GgufCheckpoint, HashesSeeMetadataTableAndWeights) {
  const TemporaryFolder folder;
  write_small(folder / "one.gguf");
  write_small(folder / "same.gguf");
  write_small(folder / "weights.gguf", small_metadata(), 'd');
  GgufMetadata other = small_metadata();
  other.set("general.architecture", GgufValue::of_text("qwen2"));
  write_small(folder / "metadata.gguf", other);
  const Checkpoint one(folder / "one.gguf"), same(folder / "same.gguf"), weights(folder / "weights.gguf"),
      metadata(folder / "metadata.gguf");
  Sha256 expected;
  expected.update(one.gguf()->file().bytes().first(one.gguf()->header().data_offset));
  EXPECT_EQ(one.header_hash(), expected.hex_digest());
  EXPECT_EQ(same.header_hash(), one.header_hash());
  EXPECT_EQ(weights.header_hash(), one.header_hash());
  EXPECT_NE(metadata.header_hash(), one.header_hash());
  EXPECT_EQ(model_fingerprint(same), model_fingerprint(one));
  EXPECT_NE(model_fingerprint(weights), model_fingerprint(one));
  EXPECT_NE(model_fingerprint(metadata), model_fingerprint(one));
}

TEST(GgufCheckpoint, AFolderThatHoldsOnlyGgufSaysToGiveTheFile) {
  for (const bool with_config : {false, true}) {
    const TemporaryFolder folder;
    write_small(folder / "small.gguf");
    write_small(folder / "other.gguf");
    if (with_config) write_bytes(folder / "config.json", "{}");
    expect_error(ErrorCode::kUnsupported, {folder.path().string(), (folder / "other.gguf").string()},
                 [&] { Checkpoint{folder.path()}; });
  }
}

TEST(GgufCheckpoint, AFileThatIsNoneIsToldWhatIsExpected) {
  const TemporaryFolder folder;
  write_bytes(folder / "model.bin", "PK..");
  write_bytes(folder / "short.gguf", "GG");
  for (const char* name : {"model.bin", "short.gguf"}) {
    expect_error(ErrorCode::kFormat, {(folder / name).string(), "GGUF file", "Hugging Face checkpoint folder"},
                 [&] { Checkpoint{folder / name}; });
  }
  expect_error(ErrorCode::kNotFound, {"absent.gguf"}, [&] { Checkpoint{folder / "absent.gguf"}; });
  write_bytes(folder / "cut.gguf", "GGUF");
  expect_error(ErrorCode::kFormat, {"cut.gguf", "truncated"}, [&] { Checkpoint{folder / "cut.gguf"}; });
  EXPECT_FALSE(is_gguf_file(folder / "absent.gguf"));
  EXPECT_FALSE(is_gguf_file(folder.path()));
  EXPECT_FALSE(is_gguf_file(folder / "short.gguf"));
  EXPECT_TRUE(is_gguf_file(folder / "cut.gguf"));
}

// A file or folder that nobody may read while this lives; afterwards it can be removed.
class Unreadable {
 public:
  explicit Unreadable(fs::path path) : path_(std::move(path)) { fs::permissions(path_, fs::perms::none); }
  ~Unreadable() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
  }
  Unreadable(const Unreadable&) = delete;
  Unreadable& operator=(const Unreadable&) = delete;

 private:
  fs::path path_;
};

TEST(GgufCheckpoint, AFileThatMayNotBeReadSaysSo) {
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not bind root";
  const TemporaryFolder folder;
  write_small(folder / "small.gguf");
  const Unreadable file(folder / "small.gguf");
  expect_error(ErrorCode::kIo, {"small.gguf", "cannot open", "Permission denied"},
               [&] { Checkpoint{folder / "small.gguf"}; });
  expect_error(ErrorCode::kIo, {"small.gguf", "Permission denied"}, [&] { is_gguf_file(folder / "small.gguf"); });
}

TEST(GgufCheckpoint, AFolderThatMayNotBeListedSaysSo) {
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not bind root";
  const TemporaryFolder folder;
  fs::create_directory(folder / "model");
  const Unreadable locked(folder / "model");
  expect_error(ErrorCode::kIo, {"model", "cannot list", "Permission denied"}, [&] { Checkpoint{folder / "model"}; });
}

TEST(GgufCheckpoint, OnePartOfASplitModelSaysToMerge) {
  const TemporaryFolder folder;
  GgufMetadata metadata = small_metadata();
  metadata.set("split.count", {.type = GgufType::kU16, .bytes = std::string("\2\0", 2)});
  write_small(folder / "part.gguf", metadata);
  expect_error(ErrorCode::kUnsupported, {"part.gguf", "2 parts", "llama-gguf-split --merge"},
               [&] { Checkpoint{folder / "part.gguf"}; });
  metadata.set("split.count", {.type = GgufType::kU16, .bytes = std::string("\1\0", 2)});
  write_small(folder / "whole.gguf", metadata);
  EXPECT_EQ(Checkpoint(folder / "whole.gguf").tensors().size(), 3u);
}

TEST(GgufCheckpoint, WithoutTensorsItHoldsNoWeights) {
  const TemporaryFolder folder;
  GgufWriter(folder / "vocabulary.gguf", small_metadata(), {}).finish();
  EXPECT_EQ(GgufFile(folder / "vocabulary.gguf").metadata().items().size(), 1u);
  expect_error(ErrorCode::kFormat, {"vocabulary.gguf", "no weights"}, [&] { Checkpoint{folder / "vocabulary.gguf"}; });
}

TEST(GgufCheckpoint, SafetensorsCannotHoldQuantisedTensors) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::kUnsupported, {"'q'", "Q8_0", "safetensors"}, [&] {
    CheckpointWriter(folder.path(), {{"q", Dtype::kQ8_0, {32}}}, {});
  });
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace prunenet
