// llama.cpp itself on a real model: the numbers that the shared data states for it, and ours beside them.
#include <gtest/gtest-spi.h>

#include "llama_cpp/client.h"
#include "program/runtime.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Stories {
  explicit Stories(const fs::path& data)
      : folder(data / "models" / "stories260K"),
        gguf(folder / "stories260K.gguf"),
        golden(Json::parse(read_bytes(folder / "golden.json"))) {}
  fs::path folder, gguf;
  Json golden;
};

TEST(LlamaCpp, GivesTheNumbersOfStories260K) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Stories stories(data);
  Json request;
  for (const Json& sentence : stories.golden["sentences"]) {
    const std::vector<TokenId> ids = sentence["ids"];
    request["score"].push_back({{"ids", ids}, {"logits", "all"}});
    request["greedy"].push_back({{"ids", std::vector<TokenId>(ids.begin(), ids.begin() + 8)}, {"tokens", 16}});
    request["tokenize"].push_back({{"text", sentence["text"]}});
  }
  const Json answer = run_llama_cpp(stories.gguf, request);
  ASSERT_TRUE(answer.contains("score"));
  EXPECT_EQ(answer["info"]["arch"], "llama");
  EXPECT_EQ(answer["info"]["n_ff"], "172");
  EXPECT_EQ(answer["bos"], 1);
  EXPECT_EQ(answer["vocabulary_kind"], "spm");
  for (size_t i = 0; i < stories.golden["sentences"].size(); ++i) {
    const Json &sentence = stories.golden["sentences"][i], &scored = answer["score"][i];
    SCOPED_TRACE(sentence["text"].get<std::string>());
    // The same program with the same options gave these numbers, on another processor; the digits are those stated.
    EXPECT_NEAR(scored["nll_sum"].get<double>(), sentence["nll_sum_llama_cpp"].get<double>(), 2e-5);
    EXPECT_NEAR(scored["nll_sum"].get<double>(), sentence["nll_sum"].get<double>(), 5e-4);
    ASSERT_EQ(scored["logits"].size(), sentence["ids"].size());
    EXPECT_EQ(scored["logits"].back(), scored["logits_last"]);
    for (size_t k = 0; k < 16; ++k) {
      EXPECT_NEAR(scored["logits_last"][k].get<double>(), sentence["logits_last_first16"][k].get<double>(), 1e-4);
    }
    EXPECT_EQ(answer["greedy"][i]["ids"], sentence["greedy16_after_first8_ids"]);
    std::vector<TokenId> ids = answer["tokenize"][i];
    ids.insert(ids.begin(), answer["bos"].get<TokenId>());
    EXPECT_EQ(Json(ids), sentence["ids"]);
  }
}

TEST(LlamaCpp, AgreesWithOurRuntimeOnStories260K) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Stories stories(data);
  // f32 sums in another order (measured: 1.8e-5 in a logit).
  for (const Json& sentence : stories.golden["sentences"]) {
    expect_llama_cpp_agrees(stories.folder, stories.gguf, sentence["ids"], {.logits = 1e-4, .token_nll = 5e-5});
  }
}

TEST(LlamaCpp, TokenizesAsWeDo) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Stories stories(data);
  expect_llama_cpp_tokenizes_alike(stories.folder, stories.gguf,
                                   {"Once upon a time", "  two spaces", "naïve café 123", "line\nbreak\t<s>", "好"});
}

TEST(LlamaCpp, SaysWhyItRefusesAFile) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const std::string whole = read_bytes(Stories(data).gguf);
  write_bytes(folder / "broken.gguf", whole.substr(0, 5000));
  EXPECT_NE(llama_cpp_refusal(folder / "broken.gguf").find("failed to read key-value pairs"), std::string::npos);
  write_bytes(folder / "short.gguf", whole.substr(0, whole.size() - 4));
  EXPECT_NE(llama_cpp_refusal(folder / "short.gguf").find("not within the file bounds"), std::string::npos)
      << llama_cpp_refusal(folder / "short.gguf");
  EXPECT_NONFATAL_FAILURE(run_llama_cpp(folder / "broken.gguf", Json::object()), "failed to read key-value pairs");
  const fs::path good = Stories(data).gguf;
  EXPECT_NONFATAL_FAILURE(llama_cpp_refusal(good), "llama.cpp loads");
}

// What the checks above stand on: that a difference is seen, and that a crash is no agreement.
TEST(LlamaCpp, ADifferenceOrACrashFailsTheCheck) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Stories stories(data);
  const std::vector<TokenId> ids = stories.golden["sentences"][0]["ids"];
  // One weight of the last norm changed: the last F32 tensors of the file are not where a header could be hit.
  const TemporaryFolder folder;
  std::string bytes = read_bytes(stories.gguf);
  for (size_t i = bytes.size() - 4000; i < bytes.size(); ++i) bytes[i] = 0;
  write_bytes(folder / "other.gguf", bytes);
  const fs::path other = folder / "other.gguf";
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_llama_cpp_agrees(stories.folder, other, ids);
  }
  EXPECT_GE(failures.size(), 2);  // NLL and logits, at least
  const RunResult crash{134, false, "{}", "GGML_ASSERT(n_vocab > 0) failed"};
  EXPECT_NONFATAL_FAILURE(llama_cpp_answer(crash, "model.gguf"), "status 134 on model.gguf");
  EXPECT_NONFATAL_FAILURE(llama_cpp_answer(crash, "model.gguf"), "GGML_ASSERT");
}

}  // namespace
}  // namespace prunenet::test
