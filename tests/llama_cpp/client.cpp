// See client.h.
#include "llama_cpp/client.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "program/runtime.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kGreedyPrompt = 8, kGreedyTokens = 16;  // as prunenet score has them

// The program of that name, as a shell would find it.
std::optional<fs::path> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code ignored;
    if (fs::is_regular_file(fs::path(folder) / name, ignored)) return fs::path(folder) / name;
  }
  return std::nullopt;
}

fs::path client_folder() {
  const char* chosen = std::getenv("PRUNENET_LLAMA_CPP");
  return chosen != nullptr ? chosen : PRUNENET_LLAMA_CPP_DEFAULT;
}

std::string id_list(const std::vector<TokenId>& ids) {
  std::string list;
  for (const TokenId id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
  return list;
}

std::string lines_of(const Json& error) {
  std::string text = error.value("message", "");
  for (const Json& line : error.value("log", Json::array())) text += "\n  " + line.get<std::string>();
  return text;
}

// Numbers that JSON cannot hold arrive as null.
std::vector<double> numbers(const Json& list) {
  std::vector<double> values;
  for (const Json& value : list) values.push_back(value.is_number() ? value.get<double>() : std::nan(""));
  return values;
}

// The largest difference stands in the message: a test that fails by a hair and one that fails by far look different.
void expect_near(const Json& ours, const Json& theirs, double tolerance, const std::string& what) {
  const std::vector<double> a = numbers(ours), b = numbers(theirs);
  ASSERT_EQ(a.size(), b.size()) << what;
  if (a.empty()) return;
  size_t worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (std::isnan(difference) || difference > std::abs(a[worst] - b[worst])) worst = i;
    if (std::isnan(difference)) break;
  }
  EXPECT_NEAR(a[worst], b[worst], tolerance) << what << ", the most different: number " << worst;
}

}  // namespace

std::optional<std::string> llama_cpp_absence() {
#if !defined(__x86_64__) || !defined(__linux__)
  return "its package is for x86-64 Linux";
#else
  for (const char* name : {"node", "npm"}) {
    if (!find_program(name)) return std::string(name) + " is not installed (scripts/setup.sh does it)";
  }
  return std::nullopt;
#endif
}

bool llama_cpp_is_installed() {
  return find_program("node") && fs::exists(client_folder() / "node_modules" / "installed-lock.json");
}

std::string llama_cpp_install_hint() {
  return std::string("run " PRUNENET_SOURCE_DIR "/tests/llama_cpp/install.sh ") + client_folder().string();
}

Json llama_cpp_answer(const RunResult& run, const std::string& what) {
  Json answer = Json::parse(run.out, nullptr, false);
  if (run.status == 0 && answer.is_object()) return answer;
  const std::string how =
      run.timed_out ? "was killed after a timeout" : "ended with status " + std::to_string(run.status);
  ADD_FAILURE() << "llama.cpp " << how << " on " << what << "\nstderr: " << run.err
                << "\nstdout: " << run.out.substr(0, 1000);
  return {{"error", {{"stage", "crash"}, {"message", how}, {"log", Json::array({run.err})}}}};
}

Json ask_llama_cpp(const fs::path& gguf, const Json& request) {
  const auto node = find_program("node");
  if (!node) {
    ADD_FAILURE() << "node is not installed";
    return {{"error", {{"stage", "crash"}, {"message", "node is not installed"}}}};
  }
  const TemporaryFolder folder;
  write_bytes(folder / "request.json", request.dump());
  return llama_cpp_answer(
      run_program({"/usr/bin/env", "PRUNENET_LLAMA_CPP=" + client_folder().string(), node->string(),
                   PRUNENET_SOURCE_DIR "/tests/llama_cpp/llama.mjs", gguf.string(), folder / "request.json"}),
      gguf.string());
}

Json run_llama_cpp(const fs::path& gguf, const Json& request) {
  Json answer = ask_llama_cpp(gguf, request);
  if (!answer.contains("error")) return answer;
  // A crash has failed the test already.
  if (answer["error"]["stage"] != "crash") {
    ADD_FAILURE() << "llama.cpp refuses " << gguf << " (" << answer["error"]["stage"]
                  << "): " << lines_of(answer["error"]);
  }
  return Json::object();
}

std::string llama_cpp_refusal(const fs::path& gguf) {
  const Json answer = ask_llama_cpp(gguf, Json::object());
  if (answer.contains("error")) return lines_of(answer["error"]);
  ADD_FAILURE() << "llama.cpp loads " << gguf;
  return "";
}

Json expect_llama_cpp_agrees(const fs::path& ours, const fs::path& gguf, const std::vector<TokenId>& ids,
                             const LlamaCppTolerances& tolerances) {
  SCOPED_TRACE("our runtime on " + ours.string() + ", llama.cpp on " + gguf.string());
  const std::vector<TokenId> prompt(ids.begin(),
                                    ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), kGreedyPrompt)));
  const Json our = prunenet_json(small_run({"score", ours, "--ids", id_list(ids)}));
  // As many as ours: the context may hold fewer.
  const size_t more = our.contains("greedy") ? our["greedy"].size() : kGreedyTokens;
  const Json answer =
      run_llama_cpp(gguf, {{"score", {{{"ids", ids}}}}, {"greedy", {{{"ids", prompt}, {"tokens", more}}}}});
  if (!our.contains("token_nll") || !answer.contains("score")) return answer;
  const Json &scored = answer["score"][0], &greedy = answer["greedy"][0];
  expect_near(our["token_nll"], scored["token_nll"], tolerances.token_nll, "NLL of tokens");
  expect_near(our["logits_last"], scored["logits_last"], tolerances.logits, "logits of the last position");
  EXPECT_EQ(our["greedy"], greedy["ids"])
      << "greedy continuation; how far llama.cpp's choices were from the second best: " << greedy["margins"];
  return answer;
}

void expect_llama_cpp_agrees_quantised(const fs::path& gguf, const std::vector<TokenId>& ids,
                                       const LlamaCppTolerances& tolerances) {
  SCOPED_TRACE("quantised: " + gguf.string());
  const TemporaryFolder folder;
  prunenet_json({"convert", gguf.string(), "-o", (folder / "decoded.gguf").string(), "--type", "f32"});
  expect_llama_cpp_agrees(gguf, folder / "decoded.gguf", ids, tolerances);
  const auto mean_nll = [&](const fs::path& path) {
    const Json answer = run_llama_cpp(path, {{"score", {{{"ids", ids}, {"logits", "none"}}}}});
    return answer.contains("score") ? answer["score"][0]["nll_sum"].get<double>() / static_cast<double>(ids.size() - 1) : 0;
  };
  const double decoded = mean_nll(folder / "decoded.gguf");
  EXPECT_NEAR(mean_nll(gguf), decoded, std::max(5e-3, 3e-3 * decoded));
}

void expect_llama_cpp_tokenizes_alike(const fs::path& ours, const fs::path& gguf,
                                      const std::vector<std::string>& texts) {
  SCOPED_TRACE("our tokenizer of " + ours.string() + ", llama.cpp's of " + gguf.string());
  Json request{{"tokenize", Json::array()}, {"detokenize", Json::array()}};
  std::vector<Json> our;
  for (const std::string& text : texts) {
    our.push_back(prunenet_json({"tokenize", ours, "--text", text, "--no-special", "--decode"}));
    request["tokenize"].push_back({{"text", text}});
    request["detokenize"].push_back({{"ids", our.back()["ids"]}});
  }
  const Json answer = run_llama_cpp(gguf, request);
  if (!answer.contains("tokenize")) return;
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(our[i]["ids"], answer["tokenize"][i]) << "text: " << texts[i];
    // llama.cpp keeps the space that pieces put before a text; the decoder of tokenizer.json takes it away.
    const std::string theirs = answer["detokenize"][i], text = our[i]["text"];
    EXPECT_TRUE(theirs == text || theirs == " " + text) << "ours: '" << text << "', theirs: '" << theirs << "'";
  }
}

std::vector<TokenId> golden_ids(const fs::path& golden) {
  return Json::parse(read_bytes(golden / "golden.json"))["input_ids"].get<std::vector<TokenId>>();
}

}  // namespace prunenet::test
