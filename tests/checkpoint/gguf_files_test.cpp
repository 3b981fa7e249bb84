// Real GGUF files: what is read of them, and that a copy is the same to the byte.
#include <fstream>
#include <set>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/gguf_writer.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::read_bytes;
using test::TemporaryFolder;

void copy_through(const GgufFile& file, const fs::path& path) {
  std::vector<TensorSpec> specs;
  for (const StoredTensor& tensor : file.header().tensors) specs.push_back(tensor.spec);
  GgufWriter writer(path, file.metadata(), specs);
  for (const StoredTensor& tensor : file.header().tensors) writer.append(file.bytes(tensor));
  writer.finish();
  EXPECT_EQ(writer.total_bytes(), fs::file_size(path));
}

TEST(GgufFiles, StoriesIsReadAndWrittenAgainToTheByte) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path path = data / "models" / "stories260K" / "stories260K.gguf";
  const GgufFile file(path);
  EXPECT_EQ(file.header().version, 3u);
  EXPECT_EQ(file.header().tensors.size(), 47u);
  EXPECT_EQ(file.metadata().items().size(), 24u);
  EXPECT_EQ(file.metadata().text("general.architecture", "f"), "llama");
  EXPECT_EQ(file.metadata().integer("llama.block_count", "f"), 5);
  EXPECT_EQ(file.metadata().texts("tokenizer.ggml.tokens", "f")->size(), 512u);

  const TemporaryFolder folder;
  copy_through(file, folder / "copy.gguf");
  EXPECT_TRUE(read_bytes(folder / "copy.gguf") == read_bytes(path));
}

TEST(GgufFiles, VocabulariesAloneAreReadAndWrittenAgainToTheByte) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name : {"falcon", "gpt-2", "llama-spm", "phi-3"}) {
    const fs::path path = data / "tokenizers" / (std::string("ggml-vocab-") + name + ".gguf");
    const GgufFile file(path);
    EXPECT_TRUE(file.header().tensors.empty()) << name;
    EXPECT_GT(file.metadata().texts("tokenizer.ggml.tokens", "f")->size(), 30000u) << name;
    const TemporaryFolder folder;
    copy_through(file, folder / "copy.gguf");
    EXPECT_TRUE(read_bytes(folder / "copy.gguf") == read_bytes(path)) << name;
    expect_error(ErrorCode::kFormat, {path.string(), "no weights"}, [&] { Checkpoint{path}; });
  }
}

}  // namespace
}  // namespace prunenet
