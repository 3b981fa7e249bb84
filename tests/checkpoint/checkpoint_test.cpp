// Opening a checkpoint folder: one file, shards with an index, and folders in which something is missing or disagrees.
#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::f32_tensor;
using test::safetensors_bytes;
using test::TemporaryFolder;
using test::write_bytes;

const char* const kIndexName = "model.safetensors.index.json";

// Two shards: a and b in the first, c in the second.
class Sharded : public testing::Test {
 protected:
  void SetUp() override {
    write_bytes(folder_ / "config.json", "{}");
    write_bytes(folder_ / "model-1.safetensors",
                safetensors_bytes({f32_tensor("a", {2}, {1, 2}), f32_tensor("b", {1}, {3})}));
    write_bytes(folder_ / "model-2.safetensors", safetensors_bytes({f32_tensor("c", {1, 2}, {4, 5})}));
    write_index(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors"})");
  }
  void write_index(const std::string& weight_map) {
    write_bytes(folder_ / kIndexName, R"({"metadata":{"total_size":20},"weight_map":)" + weight_map + "}");
  }
  void expect_refused(ErrorCode code, const std::vector<std::string>& fragments) {
    expect_error(code, fragments, [&] { Checkpoint{folder_.path()}; });
  }
  const TemporaryFolder folder_;
};

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto bytes = checkpoint.bytes(checkpoint.at(name));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void write_single(const fs::path& folder) {
  write_bytes(folder / "config.json", "{\"b\" : 1}\n");
  write_bytes(folder / "model.safetensors",
              safetensors_bytes({f32_tensor("x", {2}, {1, 2}), f32_tensor("w", {0, 3}, {})}));
}

TEST(Checkpoint, OpensASingleFile) {
  const TemporaryFolder folder;
  write_single(folder.path());
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.folder(), folder.path());
  EXPECT_EQ(checkpoint.config_text(), "{\"b\" : 1}\n");
  ASSERT_EQ(checkpoint.tensors().size(), 2u);
  EXPECT_EQ(checkpoint.tensors()[0].stored.spec.name, "x");
  EXPECT_EQ(values_of(checkpoint, "x"), (std::vector<float>{1, 2}));
  EXPECT_TRUE(checkpoint.bytes(checkpoint.at("w")).empty());
  EXPECT_EQ(checkpoint.tensor_bytes(), 8u);
  EXPECT_EQ(checkpoint.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  checkpoint.release(checkpoint.at("x"));
  EXPECT_EQ(values_of(checkpoint, "x"), (std::vector<float>{1, 2}));
}

TEST(Checkpoint, FindsTensorsByNameAndSaysWhatItDoesNotHave) {
  const TemporaryFolder folder;
  write_single(folder.path());
  const Checkpoint checkpoint(folder.path());
  ASSERT_NE(checkpoint.find("x"), nullptr);
  EXPECT_EQ(checkpoint.find("x"), &checkpoint.at("x"));
  EXPECT_EQ(checkpoint.find("y"), nullptr);
  expect_error(ErrorCode::kMismatch, {folder.path().string(), "no tensor 'y'"}, [&] { checkpoint.at("y"); });
  const std::string where = checkpoint.where(checkpoint.at("x"));
  EXPECT_NE(where.find("model.safetensors: tensor 'x'"), std::string::npos) << where;
}

TEST(Checkpoint, HeaderHashNamesTheHeadersAndNotTheValues) {
  const TemporaryFolder folder;
  write_single(folder.path());
  const std::string file = test::read_bytes(folder / "model.safetensors");
  const std::string before = Checkpoint(folder.path()).header_hash();
  Sha256 expected;
  expected.update(std::as_bytes(std::span(file)).first(file.size() - 8));
  EXPECT_EQ(before, expected.hex_digest());
  write_bytes(folder / "model.safetensors",
              safetensors_bytes({f32_tensor("x", {2}, {7, 8}), f32_tensor("w", {0, 3}, {})}));
  EXPECT_EQ(Checkpoint(folder.path()).header_hash(), before);
  write_bytes(folder / "model.safetensors",
              safetensors_bytes({f32_tensor("x", {1, 2}, {1, 2}), f32_tensor("w", {0, 3}, {})}));
  EXPECT_NE(Checkpoint(folder.path()).header_hash(), before);
}

TEST(Checkpoint, PrefersTheSingleFileToAnIndexThatIsThereToo) {
  const TemporaryFolder folder;
  write_single(folder.path());
  write_bytes(folder / kIndexName, "left over from a conversion");
  EXPECT_EQ(Checkpoint(folder.path()).tensors().size(), 2u);
}

TEST_F(Sharded, OpensAllShardsInOrder) {
  const Checkpoint checkpoint(folder_.path());
  ASSERT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(values_of(checkpoint, "a"), (std::vector<float>{1, 2}));
  EXPECT_EQ(values_of(checkpoint, "b"), (std::vector<float>{3}));
  EXPECT_EQ(values_of(checkpoint, "c"), (std::vector<float>{4, 5}));
  EXPECT_EQ(checkpoint.at("b").shard, 0u);
  EXPECT_EQ(checkpoint.at("c").shard, 1u);
  EXPECT_EQ(checkpoint.tensor_bytes(), 20u);
  EXPECT_NE(checkpoint.where(checkpoint.at("c")).find("model-2.safetensors"), std::string::npos);
}

TEST_F(Sharded, AShardThatIsMissingIsNotFound) {
  fs::remove(folder_ / "model-2.safetensors");
  expect_refused(ErrorCode::kNotFound, {"model-2.safetensors", "no such file"});
}

TEST_F(Sharded, AnIndexThatNamesATensorNoShardHolds) {
  write_index(
      R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors","d":"model-2.safetensors"})");
  expect_refused(ErrorCode::kMismatch, {kIndexName, "'d'", "model-2.safetensors", "does not hold it"});
}

TEST_F(Sharded, AnIndexThatPutsATensorIntoAnotherShard) {
  write_index(R"({"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors"})");
  expect_refused(ErrorCode::kMismatch, {kIndexName, "'b'", "stored in 'model-1.safetensors'", "'model-2.safetensors'"});
}

TEST_F(Sharded, AShardWithATensorTheIndexDoesNotKnow) {
  write_index(R"({"a":"model-1.safetensors","c":"model-2.safetensors"})");
  expect_refused(ErrorCode::kMismatch, {kIndexName, "'b'", "says nothing of it"});
}

TEST_F(Sharded, ATensorInTwoShards) {
  write_bytes(folder_ / "model-2.safetensors",
              safetensors_bytes({f32_tensor("c", {1}, {4}), f32_tensor("a", {1}, {5})}));
  expect_refused(ErrorCode::kMismatch, {"model-2.safetensors", "tensor 'a' is in an earlier shard too"});
}

TEST_F(Sharded, ADamagedShardIsNamed) {
  const std::string bytes = test::read_bytes(folder_ / "model-2.safetensors");
  write_bytes(folder_ / "model-2.safetensors", bytes.substr(0, bytes.size() - 1));
  expect_refused(ErrorCode::kFormat, {"model-2.safetensors", "'c'", "truncated"});
}

TEST_F(Sharded, NoPathIsReadFromAnIndex) {
  const TemporaryFolder outside;
  fs::copy(folder_ / "model-2.safetensors", outside / "model-2.safetensors");
  fs::create_directory(folder_ / "below");
  fs::copy(folder_ / "model-2.safetensors", folder_ / "below" / "model-2.safetensors");
  for (const std::string& name :
       {"../" + outside.path().filename().string() + "/model-2.safetensors", (outside / "model-2.safetensors").string(),
        std::string("below/model-2.safetensors"), std::string("./model-2.safetensors"), std::string(".."),
        std::string("."), std::string(""), std::string("a\\\\b"), std::string("model-2.safetensors\\u0000")}) {
    write_index(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":")" + name + "\"}");
    expect_refused(ErrorCode::kFormat, {folder_.path().string(), "is a path"});
  }
}

TEST(Checkpoint, AMissingOrStrangeFolderIsNamed) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::kNotFound, {(folder / "no").string(), "no such folder"}, [&] { Checkpoint{folder / "no"}; });
  write_bytes(folder / "file", "");
  expect_error(ErrorCode::kFormat, {(folder / "file").string(), "neither a folder"}, [&] { Checkpoint{folder / "file"}; });
  expect_error(ErrorCode::kNotFound, {folder.path().string(), "no config.json"}, [&] { Checkpoint{folder.path()}; });
}

TEST(Checkpoint, AFolderWithoutWeightsIsNotFound) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "{}");
  write_bytes(folder / "tokenizer.json", "{}");
  expect_error(ErrorCode::kNotFound, {"model.safetensors"}, [&] { Checkpoint{folder.path()}; });
}

TEST(Checkpoint, OnlyWeightsOfAnotherFormatAreUnsupported) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.gguf", "tf_model.h5",
                           "consolidated.00.pth", "flax_model.msgpack"}) {
    const TemporaryFolder folder;
    write_bytes(folder / "config.json", "{}");
    write_bytes(folder / name, "weights");
    expect_error(ErrorCode::kUnsupported, {name, "safetensors"}, [&] { Checkpoint{folder.path()}; });
  }
}

TEST(Checkpoint, WithoutAnyTensorIsRefused) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "{}");
  write_bytes(folder / "model.safetensors", safetensors_bytes({}));
  expect_error(ErrorCode::kFormat, {"no tensors"}, [&] { Checkpoint{folder.path()}; });
}

TEST(Checkpoint, AConfigOfUnreasonableSizeIsRefused) {
  const TemporaryFolder folder;
  write_single(folder.path());
  write_bytes(folder / "config.json", std::string((16u << 20) + 1, ' '));
  expect_error(ErrorCode::kFormat, {"config.json", "at most 16777216"}, [&] { Checkpoint{folder.path()}; });
}

TEST(Checkpoint, OpensEveryRealModel) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  size_t folders = 0;
  for (const auto& place : fs::recursive_directory_iterator(data)) {
    if (place.path().filename() != "config.json") continue;
    const fs::path folder = place.path().parent_path();
    if (!fs::exists(folder / "model.safetensors") && !fs::exists(folder / kIndexName)) continue;
    const Checkpoint checkpoint(folder);
    uint64_t sum = 0;
    for (const auto& entry : checkpoint.tensors()) sum += checkpoint.bytes(entry).size();
    EXPECT_EQ(checkpoint.tensor_bytes(), sum);
    EXPECT_EQ(checkpoint.config_text(), test::read_bytes(place.path()));
    ++folders;
  }
  EXPECT_GE(folders, 17u);
}

// The shards hold the same architecture as the single file: same names, types, shapes.
TEST(Checkpoint, RealShardsHoldTheTensorsTheirIndexNames) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path folder = data / "golden" / "llama_sharded";
  const Checkpoint sharded(folder), single(data / "golden" / "llama");
  const auto map = nlohmann::json::parse(test::read_bytes(folder / kIndexName)).at("weight_map");
  EXPECT_EQ(sharded.tensors().size(), map.size());
  ASSERT_EQ(sharded.tensors().size(), single.tensors().size());
  for (const auto& entry : sharded.tensors()) {
    EXPECT_EQ(map.at(entry.stored.spec.name), fmt::format("model-{:05}-of-00005.safetensors", entry.shard + 1));
    EXPECT_EQ(to_string(entry.stored.spec), to_string(single.at(entry.stored.spec.name).stored.spec));
  }
}

}  // namespace
}  // namespace prunenet
