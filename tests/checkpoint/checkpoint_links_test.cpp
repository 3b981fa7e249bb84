// What a checkpoint folder may point at, and which of its other files a copy takes along.
#include <sys/stat.h>

#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;
using test::write_bytes;

std::string one_tensor() {
  return test::safetensors_bytes({test::f32_tensor("w", {1}, {1})});
}

void write_checkpoint(const fs::path& folder) {
  fs::create_directories(folder);
  write_bytes(folder / "config.json", "{}");
  write_bytes(folder / "model.safetensors", one_tensor());
}

TEST(CheckpointLinks, ALinkWithinTheFolderIsFollowed) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "{}");
  write_bytes(folder / "weights.real", one_tensor());
  fs::create_symlink("weights.real", folder / "model.safetensors");
  EXPECT_EQ(Checkpoint(folder.path()).tensors().size(), 1u);
}

TEST(CheckpointLinks, TheFolderItselfMayBeALink) {
  const TemporaryFolder home;
  write_checkpoint(home / "real");
  fs::create_directory_symlink("real", home / "link");
  EXPECT_EQ(Checkpoint(home / "link").tensors().size(), 1u);
  EXPECT_EQ(Checkpoint(home.path().string() + "/link/").tensors().size(), 1u);
}

TEST(CheckpointLinks, ALinkOutOfTheFolderIsRefusedForEveryFileThatIsRead) {
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json", "model-1.safetensors"}) {
    const TemporaryFolder home;
    const fs::path folder = home / "model";
    fs::create_directory(folder);
    write_bytes(folder / "config.json", "{}");
    const std::string file = name;
    if (file.find('-') != file.npos || file.find("index") != file.npos) {
      write_bytes(folder / "model.safetensors.index.json", R"({"weight_map":{"w":"model-1.safetensors"}})");
      write_bytes(folder / "model-1.safetensors", one_tensor());
    } else {
      write_bytes(folder / "model.safetensors", one_tensor());
    }
    ASSERT_EQ(Checkpoint(folder).tensors().size(), 1u);
    fs::rename(folder / name, home / "outside");
    fs::create_symlink("../outside", folder / name);
    expect_error(ErrorCode::kFormat, {(folder / name).string(), "symlink", (home / "outside").string()},
                 [&] { Checkpoint{folder}; });
  }
}

TEST(CheckpointLinks, ALinkThroughALinkedFolderIsRefusedToo) {
  const TemporaryFolder home;
  write_checkpoint(home / "model");
  fs::create_directory(home / "outside");
  fs::rename(home / "model" / "model.safetensors", home / "outside" / "model.safetensors");
  fs::create_directory_symlink("../outside", home / "model" / "here");
  fs::create_symlink("here/model.safetensors", home / "model" / "model.safetensors");
  expect_error(ErrorCode::kFormat, {"outside the folder"}, [&] { Checkpoint{home / "model"}; });
}

TEST(CheckpointLinks, ALinkToNowhereOrToItselfIsAnErrorThatNamesIt) {
  for (const char* target : {"nowhere", "model.safetensors"}) {
    const TemporaryFolder folder;
    write_bytes(folder / "config.json", "{}");
    fs::create_symlink(target, folder / "model.safetensors");
    expect_error(ErrorCode::kNotFound, {"model.safetensors"}, [&] { Checkpoint{folder.path()}; });
  }
}

// models--ORG--NAME/snapshots/REVISION/FILE -> ../../blobs/HASH
class Cache : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(snapshot_);
    fs::create_directory(cache_ / "blobs");
    write_bytes(cache_ / "blobs" / "c0ffee", "{}");
    write_bytes(cache_ / "blobs" / "beef", one_tensor());
    write_bytes(cache_ / "blobs" / "70c", "tokens");
    fs::create_symlink("../../blobs/c0ffee", snapshot_ / "config.json");
    fs::create_symlink("../../blobs/beef", snapshot_ / "model.safetensors");
    fs::create_symlink("../../blobs/70c", snapshot_ / "tokenizer.json");
  }
  const TemporaryFolder home_;
  const fs::path cache_ = home_ / "models--org--name";
  const fs::path snapshot_ = cache_ / "snapshots" / "abc";
};

TEST_F(Cache, OfHuggingFaceIsFollowed) {
  const Checkpoint checkpoint(snapshot_);
  EXPECT_EQ(checkpoint.tensors().size(), 1u);
  const auto files = checkpoint.side_files();
  ASSERT_EQ(files.copied.size(), 1u);
  EXPECT_EQ(files.copied[0].name, "tokenizer.json");
  EXPECT_EQ(test::read_bytes(files.copied[0].source), "tokens");
}

TEST_F(Cache, BlobsOfAnotherModelAreRefused) {
  fs::create_directories(home_ / "models--org--other" / "blobs");
  fs::rename(cache_ / "blobs" / "beef", home_ / "models--org--other" / "blobs" / "beef");
  fs::remove(snapshot_ / "model.safetensors");
  fs::create_symlink("../../../models--org--other/blobs/beef", snapshot_ / "model.safetensors");
  expect_error(ErrorCode::kFormat, {"model.safetensors", "outside the folder"}, [&] { Checkpoint{snapshot_}; });
}

TEST_F(Cache, FilesBelowOrBesideTheBlobsAreRefused) {
  fs::create_directory(cache_ / "blobs" / "below");
  for (const char* place : {"blobs/below/x", "x", "snapshots/x"}) {
    write_bytes(cache_ / place, one_tensor());
    fs::remove(snapshot_ / "model.safetensors");
    fs::create_symlink("../../" + std::string(place), snapshot_ / "model.safetensors");
    expect_error(ErrorCode::kFormat, {"outside the folder"}, [&] { Checkpoint{snapshot_}; });
  }
}

TEST(CheckpointLinks, BlobsAreAllowedOnlyBesideAFolderNamedSnapshots) {
  const TemporaryFolder home;
  write_checkpoint(home.path() / "revisions" / "abc");
  fs::create_directory(home / "blobs");
  fs::rename(home.path() / "revisions" / "abc" / "model.safetensors", home / "blobs" / "beef");
  fs::create_symlink("../../blobs/beef", home.path() / "revisions" / "abc" / "model.safetensors");
  expect_error(ErrorCode::kFormat, {"outside the folder"}, [&] { Checkpoint{home.path() / "revisions" / "abc"}; });
}

TEST(ResolveInside, TakesNamesAndNoPaths) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "");
  EXPECT_EQ(resolve_inside(folder.path(), "a"), fs::canonical(folder / "a"));
  write_bytes(folder / "..a", "");  // two dots in a name are no path
  EXPECT_EQ(resolve_inside(folder.path(), "..a"), fs::canonical(folder / "..a"));
  using namespace std::string_literals;
  for (const std::string& name : {""s, "."s, ".."s, "./a"s, "/etc/passwd"s, "../a"s, "a/"s, "a\\b"s, "a\0"s, "a\0b"s}) {
    expect_error(ErrorCode::kFormat, {"is a path"}, [&] { resolve_inside(folder.path(), name); });
  }
  expect_error(ErrorCode::kNotFound, {(folder / "b").string(), "no such file"},
               [&] { resolve_inside(folder.path(), "b"); });
}

std::vector<std::string> names_of(const std::vector<Checkpoint::SideFile>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.name);
  return names;
}

TEST(SideFiles, AreTheTokenizerTheLicenceAndTheLike) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path());
  const std::vector<std::string> wanted{"LICENSE",         "README.md",      "generation_config.json", "merges.txt",
                                        "modeling_own.py", "tokenizer.json", "tokenizer.model",        "vocab.json"};
  for (const std::string& name : wanted) write_bytes(folder / name, name);
  write_bytes(folder / "prunenet.json", "of an earlier run");
  write_bytes(folder / "model.safetensors.index.json", "{}");
  write_bytes(folder / "adapter_model.safetensors", "x");
  write_bytes(folder / "pytorch_model.bin.index.json", "{}");
  const std::vector<std::string> weights{"consolidated.pth", "flax_model.msgpack", "model.gguf",
                                         "model.onnx",       "pytorch_model.bin",  "tf_model.h5",
                                         "training.ckpt",    "training_args.pt"};
  for (const std::string& name : weights) write_bytes(folder / name, "x");
  fs::create_directory(folder / "original");
  write_bytes(folder / ".gitattributes", "x");
  fs::create_symlink("nowhere", folder / "broken");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);

  const auto files = Checkpoint(folder.path()).side_files();
  EXPECT_EQ(names_of(files.copied), wanted);
  for (const auto& file : files.copied) EXPECT_EQ(test::read_bytes(file.source), file.name);
  std::vector<std::string> left_out{".gitattributes", "adapter_model.safetensors", "broken", "original", "pipe",
                                    "pytorch_model.bin.index.json"};
  left_out.insert(left_out.end(), weights.begin(), weights.end());
  std::sort(left_out.begin(), left_out.end());
  EXPECT_EQ(files.left_out, left_out);
}

TEST(SideFiles, ALinkOutOfTheFolderIsRefused) {
  const TemporaryFolder home;
  write_checkpoint(home / "model");
  write_bytes(home / "secret", "x");
  fs::create_symlink("../secret", home / "model" / "tokenizer.json");
  const Checkpoint checkpoint(home / "model");
  expect_error(ErrorCode::kFormat, {"tokenizer.json", "outside the folder"}, [&] { checkpoint.side_files(); });
}

TEST(SideFiles, ALinkWithinTheFolderIsCopiedAsWhatItShows) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path());
  write_bytes(folder / "vocab-v2.json", "v2");
  fs::create_symlink("vocab-v2.json", folder / "vocab.json");
  fs::create_symlink("loop", folder / "loop");
  const auto files = Checkpoint(folder.path()).side_files();
  EXPECT_EQ(names_of(files.copied), (std::vector<std::string>{"vocab-v2.json", "vocab.json"}));
  EXPECT_EQ(test::read_bytes(files.copied.at(1).source), "v2");
  EXPECT_EQ(files.left_out, (std::vector<std::string>{"loop"}));
}

}  // namespace
}  // namespace prunenet
