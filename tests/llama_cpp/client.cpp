// See client.h.
#include "llama_cpp/client.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "convert/vocabulary.h"
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
                             const LlamaCppTolerances& tolerances, const LlamaCppRun& run) {
  SCOPED_TRACE("our runtime on " + ours.string() + ", llama.cpp on " + gguf.string());
  const std::vector<TokenId> prompt(ids.begin(),
                                    ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), kGreedyPrompt)));
  const Json our = prunenet_json(small_run({"score", ours, "--ids", id_list(ids)}));
  // As many as ours: the context may hold fewer.
  const size_t more = our.contains("greedy") ? our["greedy"].size() : kGreedyTokens;
  Json request{{"score", {{{"ids", ids}}}}, {"context", run.context}};
  if (run.greedy) request["greedy"] = {{{"ids", prompt}, {"tokens", more}}};
  const Json answer = run_llama_cpp(gguf, request);
  if (!our.contains("token_nll") || !answer.contains("score")) return answer;
  const Json& scored = answer["score"][0];
  expect_near(our["token_nll"], scored["token_nll"], tolerances.token_nll, "NLL of tokens");
  expect_near(our["logits_last"], scored["logits_last"], tolerances.logits, "logits of the last position");
  if (run.greedy) {
    EXPECT_EQ(our["greedy"], answer["greedy"][0]["ids"])
        << "greedy continuation; how far llama.cpp's choices were from the second best: "
        << answer["greedy"][0]["margins"];
  }
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
  const auto tokenizer = open_any_tokenizer(ours);
  Json request{{"tokenize", Json::array()}, {"detokenize", Json::array()}};
  for (const std::string& text : texts) {
    for (const bool special : {false, true}) request["tokenize"].push_back({{"text", text}, {"special", special}});
    request["detokenize"].push_back({{"ids", tokenizer->encode(text, {.add_special = false})}});
  }
  const Json answer = run_llama_cpp(gguf, request);
  if (!answer.contains("tokenize")) return;
  EXPECT_EQ(tokenizer->bos().value_or(-1), answer["bos"]);
  EXPECT_EQ(tokenizer->eos().value_or(-1), answer["eos"]);
  // llama.cpp keeps the space that pieces put before a text; the decoder of tokenizer.json takes it away.
  const std::string space = answer["vocabulary_kind"] == "spm" ? " " : "";
  for (size_t i = 0; i < texts.size(); ++i) {
    for (const bool special : {false, true}) {
      Json theirs = answer["tokenize"][2 * i + (special ? 1 : 0)];
      const auto alone = tokenizer->encode(texts[i], {.add_special = false, .parse_special = special});
      EXPECT_EQ(Json(alone), theirs) << "special tokens " << (special ? "parsed" : "as text") << ": '" << texts[i] << "'";
      // What llama.cpp puts around a text.
      if (answer["adds_bos"]) theirs.insert(theirs.begin(), answer["bos"]);
      if (answer["adds_eos"]) theirs.push_back(answer["eos"]);
      const auto whole = tokenizer->encode(texts[i], {.parse_special = special});
      if (Json(alone) == answer["tokenize"][2 * i + (special ? 1 : 0)]) {
        EXPECT_EQ(Json(whole), theirs) << "with what is put around it: '" << texts[i] << "'";
      }
    }
    const std::string theirs = answer["detokenize"][i],
                      text = tokenizer->decode(tokenizer->encode(texts[i], {.add_special = false}));
    EXPECT_TRUE(theirs == text || theirs == space + text) << "ours: '" << text << "', theirs: '" << theirs << "'";
  }
}

std::vector<TokenId> golden_ids(const fs::path& golden) {
  return Json::parse(read_bytes(golden / "golden.json"))["input_ids"].get<std::vector<TokenId>>();
}

}  // namespace prunenet::test
