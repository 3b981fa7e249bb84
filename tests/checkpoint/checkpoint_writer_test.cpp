// CheckpointWriter: what it writes is what Checkpoint reads, whole files or shards, whatever the pieces.
#include "checkpoint/checkpoint_writer.h"

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::f32_tensor;
using test::folder_contents;
using test::TemporaryFolder;
using test::TestTensor;
using test::write_bytes;

// Sizes 16, 24, 0, 4 and 40 bytes, of several types.
std::vector<TestTensor> sample_tensors() {
  std::vector<TestTensor> tensors{f32_tensor("b", {2, 2}, {1, 2, 3, 4}), f32_tensor("a", {6}, {5, 6, 7, 8, 9, 10}),
                                  f32_tensor("empty", {0, 4}, {}), f32_tensor("scalar", {}, {11})};
  tensors.push_back({{"last \"\xc3\xa4\"", Dtype::kBf16, {4, 5}}, ""});
  for (int i = 0; i < 40; ++i) tensors.back().bytes += static_cast<char>(i);
  return tensors;
}

uint64_t write(const fs::path& folder, const std::vector<TestTensor>& tensors, uint64_t max_shard_bytes, size_t piece,
               const std::map<std::string, std::string>& metadata = {}) {
  std::vector<TensorSpec> specs;
  std::string bytes;
  for (const TestTensor& tensor : tensors) {
    specs.push_back(tensor.spec);
    bytes += tensor.bytes;
  }
  CheckpointWriter writer(folder, specs, metadata, max_shard_bytes);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    writer.append(std::as_bytes(std::span(bytes)).subspan(at, std::min(piece, bytes.size() - at)));
  }
  writer.finish();
  return writer.total_bytes();
}

void expect_holds(const fs::path& folder, const std::vector<TestTensor>& tensors) {
  write_bytes(folder / "config.json", "{}");
  const Checkpoint checkpoint(folder);
  ASSERT_EQ(checkpoint.tensors().size(), tensors.size());
  for (const TestTensor& tensor : tensors) {
    const auto& entry = checkpoint.at(tensor.spec.name);
    EXPECT_EQ(to_string(entry.stored.spec), to_string(tensor.spec));
    const auto bytes = checkpoint.bytes(entry);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), tensor.bytes) << tensor.spec.name;
  }
  fs::remove(folder / "config.json");
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : folder_contents(folder)) names.push_back(name);
  return names;
}

TEST(CheckpointWriter, WritesOneFileThatReadsBack) {
  const TemporaryFolder folder;
  const uint64_t total = write(folder.path(), sample_tensors(), 1000, 1 << 20, {{"note", "x"}});
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"model.safetensors"}));
  EXPECT_EQ(total, fs::file_size(folder / "model.safetensors"));
  expect_holds(folder.path(), sample_tensors());
  const SafetensorsFile file(folder / "model.safetensors");
  EXPECT_EQ(file.header().metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"note", "x"}}));
}

TEST(CheckpointWriter, KeepsAFormatThatTheMetadataNames) {
  const TemporaryFolder folder;
  write(folder.path(), sample_tensors(), 1000, 100, {{"format", "tf"}});
  EXPECT_EQ(SafetensorsFile(folder / "model.safetensors").header().metadata.at("format"), "tf");
}

TEST(CheckpointWriter, StaysWithOneFileUpToTheLimitItself) {
  const TemporaryFolder folder;
  write(folder.path(), sample_tensors(), 84, 100);
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"model.safetensors"}));
}

TEST(CheckpointWriter, SplitsBetweenTensorsAndIndexesThem) {
  const TemporaryFolder folder;
  const uint64_t total = write(folder.path(), sample_tensors(), 83, 100);
  const std::vector<std::string> names{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                       "model.safetensors.index.json"};
  EXPECT_EQ(names_in(folder.path()), names);
  EXPECT_EQ(total, fs::file_size(folder / names[0]) + fs::file_size(folder / names[1]));
  const auto index = nlohmann::json::parse(test::read_bytes(folder / names[2]));
  EXPECT_EQ(index.at("metadata").at("total_size"), 84);
  const nlohmann::json expected{
      {"b", names[0]}, {"a", names[0]}, {"empty", names[0]}, {"scalar", names[0]}, {"last \"\xc3\xa4\"", names[1]}};
  EXPECT_EQ(index.at("weight_map"), expected);
  for (int shard : {0, 1}) {
    EXPECT_EQ(SafetensorsFile(folder / names[static_cast<size_t>(shard)]).header().metadata.at("format"), "pt");
  }
  expect_holds(folder.path(), sample_tensors());
}

TEST(CheckpointWriter, NeverSplitsATensorLargerThanTheLimit) {
  const TemporaryFolder folder;
  write(folder.path(), sample_tensors(), 5, 100);
  // 16 | 24 | 0 and 4 | 40: the empty tensor needs no room of its own.
  EXPECT_EQ(names_in(folder.path()).size(), 5u);
  EXPECT_EQ(SafetensorsFile(folder / "model-00003-of-00004.safetensors").header().tensors.size(), 2u);
  expect_holds(folder.path(), sample_tensors());
}

TEST(CheckpointWriter, ReadsBackAtEveryLimitAndPiece) {
  for (uint64_t limit : {0u, 1u, 16u, 17u, 40u, 44u, 68u, 1000u}) {
    for (size_t piece : {1u, 3u, 16u, 17u, 1000u}) {
      const TemporaryFolder folder;
      write(folder.path(), sample_tensors(), limit, piece);
      expect_holds(folder.path(), sample_tensors());
    }
  }
}

TEST(CheckpointWriter, WritesTheSameBytesTwiceWhateverThePieces) {
  const TemporaryFolder first, second;
  write(first.path(), sample_tensors(), 44, 1000);
  write(second.path(), sample_tensors(), 44, 7);
  EXPECT_EQ(folder_contents(first.path()), folder_contents(second.path()));
}

TEST(CheckpointWriter, WritesShardsOfEmptyTensorsToo) {
  const std::vector<TestTensor> tensors{f32_tensor("a", {2}, {1, 2}), f32_tensor("e", {0}, {}),
                                        f32_tensor("f", {0}, {})};
  for (uint64_t limit : {0u, 4u, 8u}) {
    const TemporaryFolder folder;
    write(folder.path(), tensors, limit, 3);
    expect_holds(folder.path(), tensors);
  }
}

TEST(CheckpointWriter, OfNothingIsAFileWithoutTensors) {
  const TemporaryFolder folder;
  write(folder.path(), {}, 100, 1);
  EXPECT_TRUE(SafetensorsFile(folder / "model.safetensors").header().tensors.empty());
}

TEST(CheckpointWriter, TooFewAndTooManyBytesAreDefects) {
  for (uint64_t limit : {1000u, 8u}) {
    const std::vector<TensorSpec> specs{{"a", Dtype::kF32, {2}}, {"b", Dtype::kF32, {2}}};
    const std::vector<std::byte> bytes(17);
    for (size_t given : {0u, 1u, 8u, 15u, 17u}) {
      const TemporaryFolder folder;
      CheckpointWriter writer(folder.path(), specs, {}, limit);
      expect_error(ErrorCode::kInternal, {"internal check failed"}, [&] {
        writer.append(std::span(bytes).first(given));
        writer.finish();
      });
      EXPECT_FALSE(fs::exists(folder / "model.safetensors.index.json")) << given;
    }
  }
}

TEST(CheckpointWriter, OverwritesNothing) {
  const TemporaryFolder folder;
  write_bytes(folder / "model.safetensors", "old");
  expect_error(ErrorCode::kExists, {"model.safetensors"}, [&] { write(folder.path(), sample_tensors(), 1000, 100); });
  EXPECT_EQ(test::read_bytes(folder / "model.safetensors"), "old");
}

// Whoever asks for free space between planning and writing must not find the file's own share gone.
TEST(CheckpointWriter, TakesNoRoomBeforeTheFirstBytes) {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), {{"w", Dtype::kF32, {1 << 20}}}, {});
  EXPECT_TRUE(fs::is_empty(folder.path()));
  writer.append(std::vector<std::byte>(4096));
  EXPECT_FALSE(fs::is_empty(folder.path()));
}

// A real model written anew: every tensor's bytes survive, in one file and in shards.
TEST(CheckpointWriter, CopiesARealModel) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Checkpoint source(data / "golden" / "llama_sharded");
  std::vector<TensorSpec> specs;
  for (const auto& entry : source.tensors()) specs.push_back(entry.stored.spec);
  for (uint64_t limit : {uint64_t{100'000}, kDefaultMaxShardBytes}) {
    const TemporaryFolder folder;
    CheckpointWriter writer(folder.path(), specs, source.metadata(), limit);
    for (const auto& entry : source.tensors()) writer.append(source.bytes(entry));
    writer.finish();
    write_bytes(folder / "config.json", "{}");
    const Checkpoint copy(folder.path());
    ASSERT_EQ(copy.tensors().size(), source.tensors().size());
    for (const auto& entry : source.tensors()) {
      const auto bytes = source.bytes(entry), copied = copy.bytes(copy.at(entry.stored.spec.name));
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), copied.begin(), copied.end())) << entry.stored.spec.name;
    }
  }
}

}  // namespace
}  // namespace prunenet
