// Every golden that llama.cpp has an architecture for, converted by the program, in llama.cpp: it loads, its logits, its
// NLL and its greedy tokens are those of our runtime on the folder, and so are the tokens of texts.
#include <algorithm>
#include <ostream>

#include "base/dtype.h"
#include "checkpoint/gguf.h"
#include "llama_cpp/client.h"
#include "llama_cpp/vocabulary.h"
#include "program/runtime.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Case {
  const char* golden;
  const char* architecture;
  LlamaCppTolerances tolerances;
};

std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.golden; }

// SiLU: f32 sums in another order. GELU: llama.cpp's is a table of halves (measured: 5.4e-3 in a logit).
constexpr LlamaCppTolerances kExact{.logits = 5e-5, .token_nll = 5e-5}, kGelu{.logits = 1e-2, .token_nll = 5e-3};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{{"llama", "llama", kExact},
                                     {"llama_sharded", "llama", kExact},
                                     {"llama/pruned", "llama", kExact},
                                     {"llama/pruned_perlayer", "deci", kExact},
                                     {"mistral", "llama", kExact},
                                     {"qwen2", "qwen2", kExact},
                                     {"phi3", "phi3", kExact},
                                     {"phi", "phi2", kGelu},
                                     {"falcon7b_mqa", "falcon", kGelu},
                                     {"gpt_neox", "gptneox", kGelu},
                                     {"gpt2", "gpt2", kGelu},
                                     {"gemma", "gemma", kGelu}};
  return all;
}

class Converted : public testing::TestWithParam<Case> {};
class ConvertedFile : public Converted {};
class ConvertedTo8Bits : public Converted {};

// The golden with a tokenizer. llama.cpp's 'llama' has no sliding window (the program says so): the model gets one that
// holds the whole context.
void copy_golden(const fs::path& golden, const fs::path& target) {
  copy_with_vocabulary(golden, target);
  Json config = Json::parse(read_bytes(target / "config.json"));
  if (config["model_type"] != "mistral") return;
  config["sliding_window"] = config["max_position_embeddings"];
  write_bytes(target / "config.json", config.dump());
}

fs::path ids_of(const fs::path& golden) {
  return fs::exists(golden / "golden.json") ? golden : golden.parent_path();
}

TEST_P(Converted, AgreesWithOurRuntime) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path golden = data / "golden" / GetParam().golden;
  copy_golden(golden, folder / "model");
  const Json converted = prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "model.gguf").string()});
  EXPECT_EQ(converted["bytes"].get<uint64_t>(), fs::file_size(folder / "model.gguf"));
  // Only layers that differ are something to speak of.
  EXPECT_EQ(converted["notes"].size(), std::string(GetParam().architecture) == "deci" ? 1u : 0u);
  const auto ids = golden_ids(ids_of(golden));
  const Json answer = expect_llama_cpp_agrees(folder / "model", folder / "model.gguf", ids, GetParam().tolerances);
  EXPECT_EQ(answer["info"]["arch"], GetParam().architecture);
  expect_llama_cpp_tokenizes_alike(folder / "model", folder / "model.gguf", telling_texts());
  expect_llama_cpp_tokenizes_alike(folder / "model.gguf", folder / "model.gguf", telling_texts());
}

TEST_P(ConvertedFile, AgreesWithItselfInOurRuntime) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path golden = data / "golden" / GetParam().golden, gguf = folder / "model.gguf";
  copy_golden(golden, folder / "model");
  prunenet_json({"convert", (folder / "model").string(), "-o", gguf.string()});
  expect_llama_cpp_agrees(gguf, gguf, golden_ids(ids_of(golden)), GetParam().tolerances);
}

TEST_P(ConvertedTo8Bits, MeansTheSame) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path golden = data / "golden" / GetParam().golden;
  copy_golden(golden, folder / "model");
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "q8.gguf").string(), "--type", "q8_0"});
  expect_llama_cpp_agrees_quantised(folder / "q8.gguf", golden_ids(ids_of(golden)), GetParam().tolerances);
}

std::string name_of(const testing::TestParamInfo<Case>& tested) {
  std::string name = tested.param.golden;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, Converted, testing::ValuesIn(cases()), name_of);
INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, ConvertedFile, testing::ValuesIn(cases()), name_of);
INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, ConvertedTo8Bits, testing::ValuesIn(cases()), name_of);

// llama.cpp multiplies BF16 matrices with activations that it rounds to BF16; in F32 it is exact again.
TEST(LlamaCpp, RunsBf16WithinItsOwnRounding) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  copy_with_vocabulary(data / "golden/llama_bf16", folder / "model");
  const auto ids = golden_ids(data / "golden/llama_bf16");
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "bf16.gguf").string()});
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "f32.gguf").string(), "--type", "f32"});
  expect_llama_cpp_agrees(folder / "model", folder / "f32.gguf", ids, kExact);
  const Json answer =
      expect_llama_cpp_agrees(folder / "model", folder / "bf16.gguf", ids, {.logits = 6e-2, .token_nll = 2e-2});
  std::string list;
  for (const TokenId id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
  const Json ours = prunenet_json({"score", (folder / "model").string(), "--ids", list});
  const auto tokens = static_cast<double>(ids.size() - 1);
  EXPECT_NEAR(answer["score"][0]["nll_sum"].get<double>() / tokens, ours["nll_sum_nats"].get<double>() / tokens, 5e-3);
}

TEST(LlamaCpp, ConvertsStories260KAsThePublishedFile) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path stories = data / "models/stories260K";
  prunenet_json({"convert", stories.string(), "-o", (folder / "own.gguf").string()});
  const Json golden = Json::parse(read_bytes(stories / "golden.json"));
  for (const Json& sentence : golden["sentences"])
    expect_llama_cpp_agrees(stories, folder / "own.gguf", sentence["ids"], {.logits = 1e-4, .token_nll = 5e-5});
  expect_llama_cpp_tokenizes_alike(stories, folder / "own.gguf", telling_texts());
}

TEST(LlamaCpp, TakesTokenIdsOfAFileWithoutVocabulary) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const std::string golden = (data / "golden/llama").string(), gguf = (folder / "ids.gguf").string();
  prunenet_json({"convert", golden, "-o", gguf, "--no-vocabulary"});
  const auto ids = golden_ids(golden);
  const Json answer = run_llama_cpp(gguf, {{"score", {{{"ids", ids}, {"logits", "last"}}}}});
  ASSERT_TRUE(answer.contains("score"));
  const Json stated = Json::parse(read_bytes(data / "golden/llama/golden.json"));
  EXPECT_NEAR(answer["score"][0]["nll_sum"].get<double>(), stated["nll_sum"].get<double>(), 1e-4);
}

}  // namespace
}  // namespace prunenet::test
