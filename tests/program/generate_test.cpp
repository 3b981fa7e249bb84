// prunenet generate: text and ids on stdout, seeds, files of prompts, and what it refuses.
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Generate : public Refusal {
 protected:
  Generate() { tiny_model().write(model()); }
};

TEST_F(Generate, GreedyTextOfTheStoryModel) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path stories = data / "models" / "stories260K";
  const std::string prompt = "Once upon a time", begin = ", there was a little girl named Lily.";
  const std::vector<std::string> arguments{"generate",      stories, "--prompt",     prompt,
                                           "--temperature", "0",     "--max-tokens", "40"};
  const Json json = prunenet_json(small_run(arguments));
  const std::string text = json["text"];
  EXPECT_TRUE(text.starts_with(begin)) << text;
  EXPECT_EQ(json["ids"].size(), 40u);
  EXPECT_EQ(json["prompt_ids"], Json({1, 403, 407, 261, 378}));
  EXPECT_EQ(json["finish"], "max_tokens");
  // On a pipe: the prompt and the same text, whole, and a newline.
  const RunResult plain = run_prunenet(small_run(arguments));
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(plain.out, prompt + text + "\n");
  EXPECT_EQ(plain.err, "");
  // The ids are the whole of it: fed back, they go on where they ended.
  std::string so_far = "1,403,407,261,378";
  for (size_t i = 0; i < 20; ++i) so_far += "," + json["ids"][i].dump();
  const Json rest = prunenet_json(small_run({"generate", stories, "--prompt-ids", so_far, "--max-tokens", "20"}));
  EXPECT_EQ(rest["ids"], Json(std::vector<Json>(json["ids"].begin() + 20, json["ids"].end())));
}

TEST_F(Generate, DrawsDependOnTheSeedAndNotOnTheirNeighbours) {
  PRUNENET_REQUIRE_RUNTIME();
  const auto run = [&](const std::string& sequences, const std::string& seed) {
    const Json json = prunenet_json(small_run({"generate", model(), "--prompt-ids", "1,2", "--temperature", "1",
                                               "--max-tokens", "12", "--sequences", sequences, "--seed", seed}));
    return sequences == "1" ? Json::array({json["ids"]}) : [&] {
      Json all = Json::array();
      for (const Json& sequence : json["sequences"]) all.push_back(sequence["ids"]);
      return all;
    }();
  };
  const Json three = run("3", "7");
  ASSERT_EQ(three.size(), 3u);
  EXPECT_EQ(run("3", "7"), three);
  EXPECT_EQ(run("1", "7")[0], three[0]);
  EXPECT_NE(three[0], three[1]);
  EXPECT_NE(run("3", "8"), three);
}

TEST_F(Generate, IdsNeedNoTokenizer) {
  PRUNENET_REQUIRE_RUNTIME();
  fs::remove(model() / "tokenizer.json");
  const Json json = prunenet_json(small_run({"generate", model(), "--prompt-ids", "1,2", "--max-tokens", "5"}));
  EXPECT_TRUE(json["text"].is_null());
  std::string ids;
  for (const Json& id : json["ids"]) ids += (ids.empty() ? "" : ",") + id.dump();
  const RunResult plain = run_prunenet(small_run({"generate", model(), "--prompt-ids", "1,2", "--max-tokens", "5"}));
  EXPECT_EQ(plain.out, ids + "\n");
}

TEST_F(Generate, EndsWithTheContext) {
  PRUNENET_REQUIRE_RUNTIME();
  auto tiny = tiny_model();
  tiny.config["max_position_embeddings"] = 6;
  tiny.write(root() / "short");
  const Json json =
      prunenet_json(small_run({"generate", root() / "short", "--prompt-ids", "1,2", "--max-tokens", "50"}));
  EXPECT_EQ(json["finish"], "context");
  EXPECT_EQ(json["ids"].size(), 4u);
}

TEST_F(Generate, EndsWithEos) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json free = prunenet_json(small_run({"generate", model(), "--prompt-ids", "1,2", "--max-tokens", "8"}));
  auto tiny = tiny_model();
  tiny.config["eos_token_id"] = free["ids"][2];
  tiny.write(root() / "ending");
  const Json json =
      prunenet_json(small_run({"generate", root() / "ending", "--prompt-ids", "1,2", "--max-tokens", "8"}));
  EXPECT_EQ(json["finish"], "stop_token");
  EXPECT_EQ(json["ids"].back(), free["ids"][2]);
  EXPECT_LE(json["ids"].size(), 3u);
}

TEST_F(Generate, AFileOfPrompts) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  write_bytes(root() / "prompts.txt", "Once upon a time\r\n\nLily\nTom and Tim");
  const fs::path stories = data / "models" / "stories260K";
  const Json json =
      prunenet_json(small_run({"generate", stories, "--file", root() / "prompts.txt", "--max-tokens", "8"}));
  ASSERT_EQ(json["sequences"].size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(json["sequences"][i]["prompt"], i);
    EXPECT_EQ(json["sequences"][i]["ids"].size(), 8u);
  }
  const Json alone = prunenet_json(small_run({"generate", stories, "--prompt", "Lily", "--max-tokens", "8"}));
  EXPECT_EQ(json["sequences"][1]["ids"], alone["ids"]) << "a neighbour changed a greedy text";
}

TEST_F(Generate, WrongUsage) {
  expect_refused({"generate", model()}, {"--prompt, --prompt-ids or --file"}, 2);
  expect_refused({"generate", model(), "--prompt", "a", "--prompt-ids", "1"}, {"--prompt", "--prompt-ids"}, 2);
  expect_refused({"generate", model(), "--prompt", "a", "--file", "b"}, {"--file"}, 2);
  const std::vector<std::vector<std::string>> wrong{
      {"--max-tokens", "0"}, {"--temperature", "nan"}, {"--temperature", "-1"}, {"--temperature", "inf"},
      {"--seed", "-1"},      {"--top-k", "0"},         {"--top-p", "0"},        {"--top-p", "1.5"},
      {"--sequences", "0"},  {"--batch", "0"}};
  for (const auto& option : wrong) {
    SCOPED_TRACE(option[0] + " " + option[1]);
    expect_refused({"generate", model(), "--prompt-ids", "1", option[0], option[1]}, {option[0]}, 2);
  }
}

TEST_F(Generate, OptionsThatWouldDoNothingAreWrongUsage) {
  for (const auto& option :
       std::vector<std::vector<std::string>>{{"--top-k", "5"}, {"--top-p", "0.5"}, {"--sequences", "2"}}) {
    expect_refused({"generate", model(), "--prompt-ids", "1", option[0], option[1]}, {option[0], "--temperature 0"}, 2);
  }
}

TEST_F(Generate, BadPrompts) {
  write_bytes(root() / "empty.txt", "\n\n");
  expect_refused({"generate", model(), "--prompt-ids", "16"}, {"--prompt-ids", "id 16", "0 to 15"});
  expect_refused({"generate", model(), "--file", root() / "none.txt"}, {"none.txt", "no such file"});
  expect_refused({"generate", model(), "--file", root() / "empty.txt"}, {"empty.txt", "holds no prompt"});
  expect_refused({"generate", model(), "--prompt", ""}, {"--prompt", "is empty"});
  fs::remove(model() / "tokenizer.json");
  expect_refused({"generate", model(), "--prompt", "a"}, {"holds no tokenizer", "--prompt-ids works without one"});
}

TEST_F(Generate, APromptThatFillsTheContext) {
  PRUNENET_REQUIRE_RUNTIME();
  auto tiny = tiny_model();
  tiny.config["max_position_embeddings"] = 3;
  tiny.write(root() / "short");
  expect_refused({"generate", root() / "short", "--prompt-ids", "1,2,3", "-q"}, {"has 3 ids", "no room"});
  expect_refused({"generate", root() / "short", "--prompt-ids", "1,2,3,4", "-q"}, {"has 4 tokens", "holds 3"});
}

}  // namespace
}  // namespace prunenet::test
