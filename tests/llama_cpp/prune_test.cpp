// What was pruned, in llama.cpp: folders straight to GGUF, GGUF files to smaller ones, one width for all layers and a
// width for each, fewer heads and fewer layers.
#include <ostream>

#include "checkpoint/gguf.h"
#include "llama_cpp/client.h"
#include "llama_cpp/vocabulary.h"
#include "program/runtime.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr LlamaCppTolerances kExact{.logits = 1e-4, .token_nll = 5e-5}, kGelu{.logits = 1.5e-2, .token_nll = 5e-3};

struct Case {
  const char* golden;
  LlamaCppTolerances tolerances;
};

std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.golden; }

class Pruned : public testing::TestWithParam<Case> {
 protected:
  void copy(const fs::path& data, const fs::path& target) {
    copy_with_vocabulary(data / "golden" / GetParam().golden, target);
    Json config = Json::parse(read_bytes(target / "config.json"));
    if (config["model_type"] != "mistral") return;
    config["sliding_window"] = config["max_position_embeddings"];  // llama.cpp has no window there
    write_bytes(target / "config.json", config.dump());
  }
};

TEST_P(Pruned, RunsAsOurRuntimeRunsIt) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  copy(data, folder / "model");
  const auto ids = golden_ids(data / "golden" / GetParam().golden);
  const auto prune = [&](const std::string& model, const std::string& output) {
    return prunenet_json({"prune", (folder / model).string(), "-o", (folder / output).string(), "--method", "product", "--ratio", "0.25"});
  };
  prune("model", "folder");
  prune("model", "straight.gguf");
  const auto& tolerances = GetParam().tolerances;
  expect_llama_cpp_agrees(folder / "folder", folder / "straight.gguf", ids, tolerances);
  // A GGUF file is cut to the same model.
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "whole.gguf").string()});
  prune("whole.gguf", "cut.gguf");
  expect_llama_cpp_agrees(folder / "folder", folder / "cut.gguf", ids, tolerances);
  expect_llama_cpp_tokenizes_alike(folder / "model", folder / "cut.gguf", {"Once upon a time 123", "na\xc3\xafve"});
  // And a quantised one: rows of up and gate keep their blocks, columns of down are quantised again.
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "q8.gguf").string(), "--type", "q8_0"});
  prune("q8.gguf", "q8-cut.gguf");
  expect_llama_cpp_agrees_quantised(folder / "q8-cut.gguf", ids, tolerances);
  EXPECT_LT(fs::file_size(folder / "q8-cut.gguf"), fs::file_size(folder / "q8.gguf"));
}

INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, Pruned,
                         testing::Values(Case{"llama", kExact}, Case{"mistral", kExact}, Case{"qwen2", kExact}, Case{"phi3", kExact},
                                         Case{"phi", kGelu}, Case{"falcon7b_mqa", kGelu}, Case{"gpt_neox", kGelu},
                                         Case{"gpt2", kGelu}, Case{"gemma", kGelu}),
                         [](const auto& tested) { return std::string(tested.param.golden); });

// Qwen2 has biases of queries, keys and values, and half-split rotary pairs; as deci its rows are put in the other order.
TEST(LlamaCpp, RunsAQwen2WhoseLayersDifferAsDeci) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  copy_with_vocabulary(data / "golden/qwen2", folder / "model");
  std::string rows;
  for (int row = 0; row < 128; ++row) rows += (row == 0 ? "" : ",") + std::to_string(row);
  const std::string narrower = R"({"layers": [{"index": 1, "keep": [)" + rows + "]}]}";
  const std::string fewer_heads =
      R"({"layers": [{"index": 0, "kept_kv_groups": [1]}, {"index": 1, "kept_kv_groups": [0]}, {"index": 2, "kept_kv_groups": [0]}]})";
  for (const std::string& mask : {narrower, fewer_heads}) {
    write_bytes(folder / "mask.json", mask);
    const auto prune = [&](const std::string& output) {
      return prunenet_json({"prune", (folder / "model").string(), "-o", (folder / output).string(), "--mask",
                            (folder / "mask.json").string(), "--force"});
    };
    prune("folder");
    prune("small.gguf");
    EXPECT_EQ(GgufFile(folder / "small.gguf").metadata().text("general.architecture", ""), "deci");
    const auto ids = golden_ids(data / "golden/qwen2");
    expect_llama_cpp_agrees(folder / "folder", folder / "small.gguf", ids, kExact);
    expect_llama_cpp_agrees(folder / "small.gguf", folder / "small.gguf", ids, kExact);
  }
}

class PrunedStories : public testing::Test {
 protected:
  // Prunes the real model with these options, to a folder or a GGUF file.
  Json prune(const std::string& output, std::vector<std::string> options, const std::string& model = {}) {
    const auto data = *shared_data();
    std::vector<std::string> command{"prune", model.empty() ? (data / "models/stories260K").string() : model, "-o",
                                     (folder_ / output).string()};
    command.insert(command.end(), options.begin(), options.end());
    return prunenet_json(command);
  }
  std::vector<TokenId> ids() const {
    return Json::parse(read_bytes(*shared_data() / "models/stories260K/golden.json"))["sentences"][0]["ids"];
  }
  std::string architecture(const std::string& name) const {
    return GgufFile(folder_ / name).metadata().text("general.architecture", name).value_or("");
  }

  TemporaryFolder folder_;
  // Few and short texts: what is tested is the file, not the choice.
  const std::vector<std::string> quick_{"--own-text", "16", "--tokens", "64", "--neuron-steps", "0", "--check", "0"};
  std::vector<std::string> quick(std::vector<std::string> options) const {
    options.insert(options.end(), quick_.begin(), quick_.end());
    return options;
  }
};

TEST_F(PrunedStories, AWidthForEveryLayerRunsAsDeci) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  prune("adaptive.gguf", quick({"--ratio", "0.3", "--allocate", "adaptive", "--width-multiple", "4"}));
  EXPECT_EQ(architecture("adaptive.gguf"), "deci");
  const auto widths = GgufFile(folder_ / "adaptive.gguf").metadata().integers("deci.feed_forward_length", "");
  ASSERT_TRUE(widths);
  EXPECT_EQ(widths->size(), 5u);
  expect_llama_cpp_agrees(folder_ / "adaptive.gguf", folder_ / "adaptive.gguf", ids(), {.logits = 1e-3, .token_nll = 1e-4});
}

TEST_F(PrunedStories, AGgufFileWithAWidthForEveryLayerRunsAsDeci) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  prune("adaptive.gguf", quick({"--ratio", "0.3", "--allocate", "adaptive", "--width-multiple", "4"}),
        (data / "models/stories260K/stories260K.gguf").string());
  EXPECT_EQ(architecture("adaptive.gguf"), "deci");
  expect_llama_cpp_agrees(folder_ / "adaptive.gguf", folder_ / "adaptive.gguf", ids(), {.logits = 1e-3, .token_nll = 1e-4});
}

TEST_F(PrunedStories, FewerHeadsAndLayersRun) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto options = quick({"--ratio", "0.25", "--heads", "0.25", "--layers", "1"});
  prune("straight.gguf", options);
  EXPECT_EQ(architecture("straight.gguf"), "llama");
  expect_llama_cpp_agrees(folder_ / "straight.gguf", folder_ / "straight.gguf", ids(), kExact);
  prune("cut.gguf", options, (data / "models/stories260K/stories260K.gguf").string());
  EXPECT_EQ(architecture("cut.gguf"), "llama");
  expect_llama_cpp_agrees(folder_ / "cut.gguf", folder_ / "cut.gguf", ids(), kExact);
}

TEST_F(PrunedStories, KvGroupsThatDifferBetweenLayersRunAsDeci) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  write_bytes(folder_ / "mask.json", R"({"layers": [{"index": 1, "kept_kv_groups": [0, 2]}, {"index": 3, "kept_kv_groups": [1, 2, 3]}]})");
  for (const std::string& model : {std::string(), (data / "models/stories260K/stories260K.gguf").string()}) {
    prune("groups.gguf", {"--mask", (folder_ / "mask.json").string(), "--force"}, model);
    EXPECT_EQ(architecture("groups.gguf"), "deci");
    const GgufFile file(folder_ / "groups.gguf");
    EXPECT_EQ(file.metadata().integers("deci.attention.head_count_kv", ""), (std::vector<int64_t>{4, 2, 4, 3, 4}));
    expect_llama_cpp_agrees(folder_ / "groups.gguf", folder_ / "groups.gguf", ids(), kExact);
  }
}

TEST_F(PrunedStories, PaddedLayersRunUnderTheirOwnArchitecture) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto options = quick({"--ratio", "0.3", "--allocate", "adaptive", "--pad", "--width-multiple", "4"});
  prune("padded.gguf", options);
  EXPECT_EQ(architecture("padded.gguf"), "llama");
  expect_llama_cpp_agrees(folder_ / "padded.gguf", folder_ / "padded.gguf", ids(), kExact);
}

// The default, as a user gives it: the refitted model in eight bits is as good in llama.cpp as in our runtime.
TEST_F(PrunedStories, TheDefaultInEightBits) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  prune("small.gguf", quick({"--ratio", "0.3", "--type", "q8_0"}));
  expect_llama_cpp_agrees_quantised(folder_ / "small.gguf", ids(), kExact);
}

}  // namespace
}  // namespace prunenet::test
