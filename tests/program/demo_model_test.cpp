// The demo model program: the same bytes every time, another model for another seed, a checkpoint that opens.
#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

// The promise that seed 7 gives these bytes on every machine. A change here breaks what users compare against.
constexpr const char* kWeightsSha256 = "bc2e9dcec1a0c74ddac98255bf609a57c4c48beb2cca2ef5bf3459e66dc45465";

// Runs the program and gives its exit status; what it prints is dropped.
int make_demo_model(const fs::path& out, const std::string& options = "") {
  const std::string command =
      "'" PRUNENET_TOOLS_DIR "/prunenet-make-demo-model' '" + out.string() + "' " + options + " >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string sha256(const std::string& bytes) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.hex_digest();
}

TEST(DemoModel, HasTheRecordedBytes) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "demo"), 0);
  EXPECT_EQ(sha256(read_bytes(folder / "demo/model.safetensors")), kWeightsSha256);
}

TEST(DemoModel, TwoRunsGiveTheSameFiles) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "one"), 0);
  ASSERT_EQ(make_demo_model(folder / "two", "--seed 7"), 0);
  const auto one = folder_contents(folder / "one");
  EXPECT_EQ(one.size(), 6u);
  EXPECT_EQ(one, folder_contents(folder / "two"));
}

TEST(DemoModel, AnotherSeedGivesOtherWeights) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "demo", "--seed 8"), 0);
  EXPECT_NE(sha256(read_bytes(folder / "demo/model.safetensors")), kWeightsSha256);
}

TEST(DemoModel, OpensAsACheckpointThatItsConfigDescribes) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "demo"), 0);
  const Checkpoint checkpoint(folder / "demo");
  EXPECT_EQ(checkpoint.tensors().size(), 2u + 4u * 9u);
  const auto config = nlohmann::json::parse(checkpoint.config_text());
  const int64_t hidden = config.at("hidden_size"), ffn = config.at("intermediate_size");
  const std::string last = "model.layers." + std::to_string(config.at("num_hidden_layers").get<int>() - 1) + ".";
  const std::map<std::string, std::vector<int64_t>> shapes = {
      {"model.embed_tokens.weight", {config.at("vocab_size").get<int64_t>(), hidden}},
      {last + "mlp.gate_proj.weight", {ffn, hidden}},
      {last + "mlp.up_proj.weight", {ffn, hidden}},
      {last + "mlp.down_proj.weight", {hidden, ffn}},
      {last + "self_attn.k_proj.weight", {hidden / 2, hidden}},
      {"model.norm.weight", {hidden}}};
  for (const auto& [name, shape] : shapes) EXPECT_EQ(checkpoint.at(name).stored.spec.shape, shape) << name;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    EXPECT_EQ(entry.stored.spec.dtype, Dtype::kBf16);
    EXPECT_EQ(worst_value(checkpoint.bytes(entry), Dtype::kBf16), Finiteness::kFinite) << checkpoint.where(entry);
  }
}

TEST(DemoModel, TokenizerHasOneTokenAByte) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "demo"), 0);
  const auto tokenizer = nlohmann::json::parse(read_bytes(folder / "demo/tokenizer.json"));
  const auto config = nlohmann::json::parse(read_bytes(folder / "demo/config.json"));
  const auto& vocab = tokenizer.at("model").at("vocab");
  EXPECT_EQ(vocab.size(), config.at("vocab_size").get<size_t>());
  EXPECT_EQ(vocab.at("<s>"), 1);
  EXPECT_EQ(vocab.at("A"), 3 + 'A');
  EXPECT_EQ(vocab.at("\u0120"), 3 + ' ');   // GPT-2 writes a space as U+0120
  EXPECT_EQ(vocab.at("\u0143"), 3 + 0xad);  // the last of the bytes that have no character of their own
  EXPECT_EQ(vocab.at("\u00ff"), 3 + 0xff);
}

TEST(DemoModel, KeepsAnExistingFolderUnlessForced) {
  const TemporaryFolder folder;
  ASSERT_EQ(make_demo_model(folder / "demo"), 0);
  const auto before = folder_contents(folder / "demo");
  EXPECT_EQ(make_demo_model(folder / "demo", "--seed 8"), 1);
  EXPECT_EQ(folder_contents(folder / "demo"), before);
  EXPECT_EQ(make_demo_model(folder / "demo", "--seed 8 --force"), 0);
  EXPECT_NE(folder_contents(folder / "demo"), before);
  EXPECT_EQ(make_demo_model(folder / "other", "--seed many"), 2);
  EXPECT_FALSE(fs::exists(folder / "other"));
}

}  // namespace
}  // namespace prunenet::test
