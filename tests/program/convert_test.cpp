// prunenet convert, and GGUF files as the models of the other verbs, as a user calls them.
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "llama_cpp/vocabulary.h"
#include "program/run.h"
#include "program/runtime.h"
#include "support/support.h"
#include "support/tiny_model.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class GgufProgram : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // A model of two layers whose rows are whole blocks of any type but those of 256.
  std::string model() {
    if (fs::exists(folder_ / "model")) return path("model");
    tiny_model(7, {.hidden = 64, .width = 128, .layers = 2, .vocab = 512}).write(folder_ / "model");
    for (const auto& [name, bytes] : vocabulary_files(VocabularyKind::kLlama, 512))
      write_bytes(folder_ / "model" / name, bytes);
    return path("model");
  }
  std::string converted(const std::string& name, const std::string& type) {
    prunenet_json({"convert", model(), "-o", path(name), "--type", type});
    return path(name);
  }
  // Expects a failure that says these words, and no output.
  void expect_refusal(int status, const std::vector<std::string>& arguments, const std::vector<std::string>& words,
                      const std::string& output = {}) {
    const RunResult run = run_prunenet(arguments);
    EXPECT_EQ(run.status, status) << run.err;
    for (const std::string& word : words)
      EXPECT_NE(run.err.find(word), std::string::npos) << word << "\nin " << run.err;
    if (!output.empty()) {
      EXPECT_FALSE(fs::exists(folder_ / output));
    }
  }
  TemporaryFolder folder_;
};

TEST_F(GgufProgram, ConvertSaysWhatItWrote) {
  const Json json = prunenet_json({"convert", model(), "-o", path("out.gguf"), "--type", "Q8_0"});
  EXPECT_EQ(json["bytes"].get<uint64_t>(), fs::file_size(folder_ / "out.gguf"));
  EXPECT_EQ(json["dtypes"], (Json{"Q8_0", "F32"}));
  EXPECT_EQ(json["family"], "llama");
  const RunResult run = run_prunenet({"convert", path("out.gguf"), "-o", path("back")});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("F16"), std::string::npos) << run.out;
  EXPECT_TRUE(fs::exists(folder_ / "back" / "tokenizer.json"));
}

TEST_F(GgufProgram, InspectShowsEveryKey) {
  const std::string gguf = converted("out.gguf", "q8_0");
  const Json json = prunenet_json({"inspect", gguf});
  const GgufFile file(gguf);
  ASSERT_EQ(json["gguf"]["metadata"].size(), file.metadata().items().size());
  for (const auto& [key, value] : file.metadata().items()) EXPECT_TRUE(json["gguf"]["metadata"].contains(key)) << key;
  EXPECT_EQ(json["gguf"]["metadata"]["llama.embedding_length"], 64);
  EXPECT_EQ(json["dtypes"], (Json{"Q8_0", "F32"}));
  const RunResult run = run_prunenet({"inspect", gguf, "--metadata"});
  for (const auto& [key, value] : file.metadata().items()) EXPECT_NE(run.out.find(key), std::string::npos) << key;
  expect_refusal(1, {"inspect", model(), "--metadata"}, {"--metadata", "GGUF"});
}

TEST_F(GgufProgram, AFolderAndItsGgufFileAreTheSameModel) {
  PRUNENET_REQUIRE_RUNTIME();
  const std::string gguf = converted("out.gguf", "f32");
  const Json folder = prunenet_json({"score", model(), "--ids", "1,5,9,3,7,2"}),
             file = prunenet_json({"score", gguf, "--ids", "1,5,9,3,7,2"});
  ASSERT_EQ(folder["logits_last"].size(), file["logits_last"].size());
  for (size_t i = 0; i < folder["logits_last"].size(); ++i)
    EXPECT_NEAR(folder["logits_last"][i].get<double>(), file["logits_last"][i].get<double>(), 1e-4);
  // The folder's config.json states no BOS; the file's metadata has the tokenizer's.
  const Json compared = prunenet_json({"compare", gguf, model(), "--own-text", "2", "--tokens", "16"});
  EXPECT_LT(compared["kl_nats"].get<double>(), 1e-6);
  EXPECT_EQ(compared["top1_agreement"], 1.0);
  EXPECT_EQ(prunenet_json({"tokenize", gguf, "--text", "abc"})["ids"],
            prunenet_json({"tokenize", model(), "--text", "abc"})["ids"]);
}

TEST_F(GgufProgram, TheSameCommandGivesTheSameBytes) {
  converted("a.gguf", "q8_0");
  converted("b.gguf", "q8_0");
  // general.name is the folder's, and so the same.
  EXPECT_EQ(read_bytes(folder_ / "a.gguf"), read_bytes(folder_ / "b.gguf"));
  for (const char* name : {"p.gguf", "q.gguf"})
    prunenet_json({"prune", path("a.gguf"), "-o", path(name), "--method", "product", "--ratio", "0.25", "--threads",
                   name[0] == 'p' ? "1" : "2"});
  EXPECT_EQ(read_bytes(folder_ / "p.gguf"), read_bytes(folder_ / "q.gguf"));
}

TEST_F(GgufProgram, PruneOfAQuantisedFileSaysWhatIsQuantisedAnew) {
  const std::string gguf = converted("q8.gguf", "q8_0");
  const RunResult run =
      run_prunenet({"prune", gguf, "-o", path("small.gguf"), "--method", "product", "--ratio", "0.25"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.err.find("2 of 2 'ffn_down'"), std::string::npos) << run.err;
  EXPECT_EQ(prunenet_json({"inspect", path("small.gguf")})["ffn_widths"], (Json{96, 96}));
}

// Every block of the cut matrices is one of the source's, and nothing is said of quantising.
TEST_F(GgufProgram, WholeBlocksAreCopied) {
  const std::string gguf = converted("q8.gguf", "q8_0");
  const RunResult run = run_prunenet(
      {"prune", gguf, "-o", path("small.gguf"), "--method", "product", "--ratio", "0.25", "--whole-blocks"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err.find("quantised"), std::string::npos) << run.err;
  const Checkpoint before(gguf), after(path("small.gguf"));
  const auto& dense = before.at("blk.1.ffn_down.weight");
  const auto& cut = after.at("blk.1.ffn_down.weight");
  ASSERT_EQ(cut.stored.spec.shape, (std::vector<int64_t>{64, 96}));
  const auto bytes = before.bytes(dense), kept = after.bytes(cut);
  constexpr size_t kBlock = 34;
  for (size_t row = 0; row < 64; ++row) {
    size_t from = 0;
    for (size_t block = 0; block < 3; ++block, ++from) {
      const auto wanted = kept.subspan((row * 3 + block) * kBlock, kBlock);
      while (from < 4 &&
             !std::equal(wanted.begin(), wanted.end(), bytes.subspan((row * 4 + from) * kBlock, kBlock).begin()))
        ++from;
      ASSERT_LT(from, 4u) << "row " << row << ", block " << block;
    }
  }
}

TEST_F(GgufProgram, RefusesWhatMakesNoSense) {
  const std::string gguf = converted("q8.gguf", "q8_0");
  const auto prune = [&](const std::string& from, const std::string& to, std::vector<std::string> more) {
    std::vector<std::string> command{"prune", from, "-o", path(to), "--ratio", "0.25"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  };
  expect_refusal(2, prune(gguf, "out", {"--method", "random"}), {"*.gguf"}, "out");
  expect_refusal(2, prune(gguf, "out.gguf", {"--method", "random", "--type", "f16"}), {"--type", "convert"},
                 "out.gguf");
  expect_refusal(2, prune(model(), "out", {"--method", "random", "--type", "f16"}), {"--type", "*.gguf"}, "out");
  expect_refusal(2, prune(model(), "out.gguf", {"--method", "random", "--max-shard-size", "1"}), {"--max-shard-size"},
                 "out.gguf");
  expect_refusal(2, prune(gguf, "out.gguf", {"--whole-blocks"}), {"--whole-blocks", "self"}, "out.gguf");
  expect_refusal(1, prune(converted("f32.gguf", "f32"), "out.gguf", {"--method", "random", "--whole-blocks"}),
                 {"--whole-blocks", "are F32"}, "out.gguf");
  expect_refusal(1, prune(gguf, "out.gguf", {"--method", "random", "--whole-blocks", "--width-multiple", "8"}),
                 {"--width-multiple", "32"}, "out.gguf");
  expect_refusal(1, {"prune", gguf, "-o", gguf, "--ratio", "0.25", "--method", "random", "--force"},
                 {"the model itself"});
  expect_refusal(2, {"convert", model(), "-o", path("out"), "--no-vocabulary"}, {"--no-vocabulary", "*.gguf"}, "out");
  expect_refusal(2, {"convert", model(), "-o", path("out.gguf"), "--type", "q4_0"}, {"--type"}, "out.gguf");
  expect_refusal(2, {"convert", model(), "-o", path("out"), "--type", "q8_0"}, {"--type", "*.gguf"}, "out");
  fs::remove(folder_ / "model" / "tokenizer.json");
  expect_refusal(1, {"convert", model(), "-o", path("out.gguf")}, {"tokenizer"}, "out.gguf");
  EXPECT_EQ(run_prunenet({"convert", model(), "-o", path("out.gguf"), "--no-vocabulary"}).status, 0);
  expect_refusal(1, {"tokenize", path("out.gguf"), "--text", "a"}, {"no vocabulary"});
}

TEST_F(GgufProgram, LeavesNothingBehindWhenTheDiskIsFull) {
  model();
  RunOptions small;
  small.file_size_limit_bytes = 20000;  // less than the matrices of one layer
  const auto before = folder_contents(folder_.path());
  const RunResult convert = run_prunenet({"convert", path("model"), "-o", path("out.gguf")}, small);
  EXPECT_EQ(convert.status, 1) << convert.err;
  const RunResult prune =
      run_prunenet({"prune", path("model"), "-o", path("out.gguf"), "--method", "random", "--ratio", "0.25"}, small);
  EXPECT_EQ(prune.status, 1) << prune.err;
  EXPECT_EQ(folder_contents(folder_.path()), before);
}

}  // namespace
}  // namespace prunenet::test
