// The real llama.cpp in tests: runs a GGUF file in it (llama.mjs, a process of its own for each call, so that a model
// that makes llama.cpp abort fails its own check only) and holds its numbers against ours.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "program/run.h"

namespace prunenet::test {

/// Why llama.cpp cannot be here: no node or npm, or a processor that its package is not made for. Nothing where it can.
std::optional<std::string> llama_cpp_absence();
/// Whether install.sh has been at work in the folder that the tests read.
bool llama_cpp_is_installed();
/// How to get it, for people.
std::string llama_cpp_install_hint();

/// Runs `request` on a GGUF file and gives the answer (both described in llama.mjs), which may be {"error": ...}. A
/// crash, a timeout or an answer that is no JSON fails the test and gives {"error": {"stage": "crash", "message",
/// "log"}}.
nlohmann::json ask_llama_cpp(const std::filesystem::path& gguf, const nlohmann::json& request);
/// The same from a run that has ended.
nlohmann::json llama_cpp_answer(const RunResult& run, const std::string& what);

/// The same, and fails the test when llama.cpp refuses the file: then a null object.
nlohmann::json run_llama_cpp(const std::filesystem::path& gguf, const nlohmann::json& request);

/// What llama.cpp says while it refuses to load the file, in one text; fails the test when it loads it.
std::string llama_cpp_refusal(const std::filesystem::path& gguf);

struct LlamaCppTolerances {
  double logits = 1e-3;     // of any logit of the last position
  double token_nll = 5e-3;  // of the NLL of any token, and so of their mean (nats)
};

struct LlamaCppRun {
  int64_t context = 0;  // tokens that llama.cpp has room for (it rounds up to 256s); 0: as many as are needed
  bool greedy = true;   // whether the continuation is compared too
};

/// Expects llama.cpp (f32 cache, no flash attention) and `prunenet score` to give the same of these ids: every token's
/// NLL, the logits of the last position, and the greedy continuation of the first 8 ids by 16. `ours` is a folder or a
/// GGUF file for our runtime. Gives llama.cpp's answer.
nlohmann::json expect_llama_cpp_agrees(const std::filesystem::path& ours, const std::filesystem::path& gguf,
                                       const std::vector<TokenId>& ids, const LlamaCppTolerances& tolerances = {},
                                       const LlamaCppRun& run = {});

/// The same of a GGUF file with quantised matrices. llama.cpp multiplies those with activations that it rounds to eight bits
/// in blocks, so its logits on the file itself are off by what that costs. What the blocks say is therefore compared
/// through the file decoded to F32 (by `prunenet convert`), within `tolerances`; and the mean NLL of the file itself
/// within 5e-3 nats, or 0.3 % where that is more (models of random weights with large logits; measured: 0.12 %).
void expect_llama_cpp_agrees_quantised(const std::filesystem::path& gguf, const std::vector<TokenId>& ids,
                                       const LlamaCppTolerances& tolerances);

/// Expects llama.cpp and our tokenizer of `ours` (a folder or a GGUF file) to turn each text into the same ids, with
/// special tokens in it read as text and as tokens, and those of the first kind into the same text; and to have the same
/// BOS and EOS and put the same around a text.
void expect_llama_cpp_tokenizes_alike(const std::filesystem::path& ours, const std::filesystem::path& gguf,
                                      const std::vector<std::string>& texts);

/// The input ids of a folder of the shared goldens.
std::vector<TokenId> golden_ids(const std::filesystem::path& golden);

}  // namespace prunenet::test

/// Skips the test where node or npm is absent; fails it where they are there and llama.cpp was not installed.
#define PRUNENET_REQUIRE_LLAMA_CPP()                                                          \
  do {                                                                                        \
    if (!::prunenet::test::llama_cpp_is_installed()) {                                        \
      const auto absence = ::prunenet::test::llama_cpp_absence();                             \
      if (absence) GTEST_SKIP() << "no llama.cpp to test against: " << *absence;              \
      FAIL() << "llama.cpp is not installed: " << ::prunenet::test::llama_cpp_install_hint(); \
    }                                                                                         \
  } while (false)
