// prunenet eval as a user meets it, on the real model of the shared data: goldens, every task, interruption, wrong use.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

Arguments eval(const fs::path& shared, const Arguments& more) {
  Arguments arguments{"eval", shared / "models/stories260K"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return small_run(arguments);
}

// The stories of the golden: the first 20, each alone behind BOS and cut to 256 ids.
Arguments golden_corpus(const fs::path& shared) {
  return eval(shared,
              {"--task", "perplexity", "--data", shared / "datasets/tinystories_like/tinystories_like.txt",
               "--separator", "<|endoftext|>", "--max-tokens-per-document", "256", "--limit", "20", "--window", "256"});
}

std::vector<Json> json_lines(const fs::path& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

TEST(Eval, PerplexityOfTheGoldenCorpus) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const Json golden = Json::parse(read_bytes(shared / "models/stories260K/golden.json"))["corpus"];
  const TemporaryFolder folder;
  Arguments command = golden_corpus(shared);
  command.insert(command.end(), {"--items", folder / "items.jsonl"});
  const Json result = prunenet_json(command);
  EXPECT_EQ(result["num_tokens"], golden["predicted_ids"]);
  const double nll = golden["nll_sum_total"];
  EXPECT_NEAR(result["nll_nats"].get<double>(), nll, 1e-6 * nll);
  EXPECT_NEAR(result["perplexity"].get<double>(), golden["perplexity"].get<double>(), 1e-5);
  EXPECT_EQ(result["window"], 256);
  EXPECT_EQ(result["stride"], 256);
  EXPECT_EQ(result["bos"], 1);
  const auto items = json_lines(folder / "items.jsonl");
  ASSERT_EQ(items.size(), golden["stories"].size());
  for (size_t i = 0; i < items.size(); ++i) {
    // Sums of 250 f32 numbers; other implementations are within 1.3e-4 of the golden.
    EXPECT_NEAR(items[i]["nll_nats"].get<double>(), golden["stories"][i]["nll_sum"].get<double>(), 3e-4) << i;
    EXPECT_EQ(items[i]["num_tokens"].get<int64_t>() + 1, golden["stories"][i]["n_ids"].get<int64_t>());
  }
}

TEST(Eval, BatchAndStreamDoNotChangeTheResult) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const double plain = prunenet_json(golden_corpus(shared))["nll_nats"];
  for (const Arguments& more : {Arguments{"--batch", "1"}, Arguments{"--batch", "7"}, Arguments{"--stream"}}) {
    Arguments command = golden_corpus(shared);
    command.insert(command.end(), more.begin(), more.end());
    EXPECT_NEAR(prunenet_json(command)["nll_nats"].get<double>(), plain, 1e-6 * plain) << more[0];
  }
}

TEST(Eval, EveryTaskRunsOnItsRealData) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const TemporaryFolder folder;
  const fs::path items = folder / "items.jsonl";
  const Json result =
      prunenet_json(eval(shared, {"--task", "all", "--data", shared / "datasets", "--limit", "3", "--items", items}));
  ASSERT_EQ(result["results"].size(), 7u);
  EXPECT_TRUE(result["missing"].empty());
  const std::vector<std::string> names{"piqa",          "winogrande", "hellaswag", "arc_easy",
                                       "arc_challenge", "mmlu",       "lambada"};
  size_t total = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const Json& task = result["results"][i];
    EXPECT_EQ(task["task"], names[i]);
    EXPECT_EQ(task["num_items"], names[i] == "mmlu" ? 9 : 3);
    total += task["num_items"].get<size_t>();
    EXPECT_GE(task["acc"].get<double>(), 0);
    EXPECT_LE(task["acc"].get<double>(), 1);
    EXPECT_TRUE(task["stderr"].is_number());
    EXPECT_EQ(task["acc_norm"].is_null(), i == 1 || i >= 5) << names[i];
    EXPECT_EQ(task.contains("perplexity"), names[i] == "lambada");
  }
  EXPECT_EQ(result["results"][5]["subjects"].size(), 3u);
  EXPECT_EQ(json_lines(items).size(), total);

  // One of them alone: the same numbers, as one object.
  const Json alone = prunenet_json(
      eval(shared, {"--task", "piqa", "--data", shared / "datasets/llm-foundry/piqa.jsonl", "--limit", "3"}));
  EXPECT_EQ(alone, result["results"][0]);
  const auto table = run_prunenet(eval(shared, {"--task", "mmlu,piqa", "--data", shared / "datasets", "--limit", "2"}));
  EXPECT_EQ(table.status, 0);
  for (const std::string word : {"piqa", "mmlu", "abstract_algebra", "acc_norm"})
    EXPECT_NE(table.out.find(word), std::string::npos) << word;
}

TEST(Eval, WorkedExamplesChangeTheScores) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const TemporaryFolder folder;
  const auto likelihoods = [&](const Arguments& more) {
    Arguments arguments{"--limit", "1", "--items", folder / "items.jsonl", "--force"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    prunenet_json(eval(shared, arguments));
    return json_lines(folder / "items.jsonl")[0]["log_likelihoods"].get<std::vector<double>>();
  };
  const Arguments mmlu{"--task", "mmlu", "--data", shared / "datasets/mmlu_csv"};
  const std::string piqa = shared / "datasets/llm-foundry/piqa.jsonl";
  const auto with = [](Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  EXPECT_NE(likelihoods(mmlu), likelihoods(with(mmlu, {"--shots", "2"})));
  const Arguments plain{"--task", "piqa", "--data", piqa};
  EXPECT_NE(likelihoods(plain), likelihoods(with(plain, {"--shots", "1", "--shots-data", piqa})));
}

class InterruptedEval : public ::testing::Test {
 protected:
  static int64_t num_lines(const fs::path& journal) {
    if (!fs::exists(journal)) return 0;
    const std::string bytes = read_bytes(journal);
    return std::count(bytes.begin(), bytes.end(), '\n');
  }
};

TEST_F(InterruptedEval, GoesOnAndEndsWithTheSameBytes) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const TemporaryFolder folder;
  const fs::path journal = folder / "run.jsonl";
  Arguments command = eval(
      shared, {"--task", "arc_easy,piqa", "--data", shared / "datasets", "--limit", "60", "--batch", "4", "--json"});
  const RunResult whole = run_prunenet(command);
  ASSERT_EQ(whole.status, 0) << whole.err;
  command.insert(command.end(), {"--resume", journal});
  {
    RunningProgram program(prunenet_command(command));
    for (int i = 0; i < 6000 && num_lines(journal) < 4; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    program.send(SIGINT);
    const RunResult stopped = program.wait();
    EXPECT_EQ(stopped.status, 130) << stopped.err;
    EXPECT_NE(stopped.err.find("run.jsonl"), std::string::npos) << stopped.err;
    EXPECT_NE(stopped.err.find("goes on"), std::string::npos) << stopped.err;
    EXPECT_TRUE(stopped.out.empty());
  }
  const std::string before = read_bytes(journal);
  EXPECT_EQ(before.back(), '\n');
  const RunResult rest = run_prunenet(command);
  EXPECT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(rest.out, whole.out);
  const std::string after = read_bytes(journal);
  EXPECT_TRUE(after.starts_with(before));
  EXPECT_GT(after.size(), before.size());

  // Killed in the midst of a line; then finished, it answers from the journal alone.
  write_bytes(journal, after.substr(0, after.size() - 5));
  EXPECT_EQ(run_prunenet(command).out, whole.out);
  EXPECT_EQ(read_bytes(journal), after);

  command.insert(command.end(), {"--dtype", "bf16"});
  const RunResult other = run_prunenet(command);
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("--dtype: \"f32\" there, \"bf16\" here"), std::string::npos) << other.err;
  EXPECT_EQ(read_bytes(journal), after);
}

class EvalRefusal : public Refusal {
 protected:
  Arguments with(const Arguments& more) const {
    Arguments arguments{"eval", model()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string file(const std::string& name, const std::string& text) const {
    write_bytes(root() / name, text);
    return root() / name;
  }
};

TEST_F(EvalRefusal, WrongUse) {
  tiny_model().write(model());
  const std::string text = file("text.txt", "some text");
  const auto refused = [&](const Arguments& more, const Arguments& fragments) {
    expect_refused(with(more), fragments, 2);
  };
  refused({"--task", "piqa"}, {"--data"});
  refused({"--task", "pica", "--data", text}, {"'pica' is no task", "perplexity", "winogrande"});
  refused({"--task", "piqa,perplexity", "--data", text}, {"perplexity", "alone"});
  refused({"--task", "piqa,all", "--data", text}, {"all", "alone"});
  refused({"--task", "piqa,", "--data", text}, {"'' is no task"});
  refused({"--task", "piqa", "--data", text, "--window", "8"}, {"--window", "perplexity only"});
  refused({"--task", "perplexity", "--data", text, "--shots", "1"}, {"--shots", "perplexity"});
  refused({"--task", "perplexity", "--data", text, "--window", "8", "--stride", "9"}, {"--stride", "9", "8"});
  refused({"--task", "perplexity", "--data", text, "--stride", "0"}, {"--stride"});
  refused({"--task", "perplexity", "--data", text, "--window", "1"}, {"--window"});
  refused({"--task", "perplexity", "--data", text, "--bos", "maybe"}, {"--bos"});
  refused({"--task", "piqa", "--data", text, "--shots", "3"}, {"--shots", "piqa", "--shots-data"});
  refused({"--task", "all", "--data", text, "--shots", "3"}, {"--shots", "--shots-data"});
  refused({"--task", "piqa", "--data", text, "--shots-data", text}, {"--shots-data", "--shots"});
  refused({"--task", "mmlu", "--data", text, "--shots", "1", "--shots-data", text}, {"--shots-data", "dev/"});
  refused({"--task", "piqa", "--data", text, "--limit", "-1"}, {"--limit"});
}

TEST_F(EvalRefusal, BadData) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  PRUNENET_REQUIRE_RUNTIME();
  const auto refused = [&](const Arguments& more, const Arguments& fragments) {
    Arguments arguments{"eval", shared / "models/stories260K", "-q"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refused(arguments, fragments, 1);
  };
  refused({"--task", "perplexity", "--data", file("empty.txt", "")}, {"empty.txt", "empty"});
  refused({"--task", "perplexity", "--data", root() / "absent.txt"}, {"absent.txt", "no such file"});
  refused({"--task", "perplexity", "--data", file("latin.txt", "caf\xE9 au lait")}, {"latin.txt", "byte 3", "UTF-8"});
  refused({"--task", "perplexity", "--data", file("text.txt", "Once upon a time"), "--window", "513"},
          {"--window", "513", "512"});
  const std::string piqa = file("piqa.jsonl", "{\"goal\": \"x\", \"sol1\": \"a\", \"label\": 0}\n");
  refused({"--task", "piqa", "--data", piqa}, {"piqa.jsonl:1", "misses 'sol2'"});
  refused({"--task", "arc_easy", "--data", piqa}, {"piqa.jsonl:1", "expected questions of arc_easy", "piqa"});
  refused({"--task", "piqa,lambada", "--data", piqa}, {"piqa.jsonl", "folder"});
  refused({"--task", "lambada,mmlu", "--data", root()}, {"no data of mmlu, lambada"});
  refused({"--task", "piqa", "--data", piqa, "--items", file("mine.txt", "notes")}, {"mine.txt", "exists"});
  refused({"--task", "piqa", "--data", piqa, "--items", root() / "mine.txt", "--force"},
          {"mine.txt", "no list of items"});
  refused({"--task", "perplexity", "--data", root() / "text.txt", "--resume", root() / "mine.txt"},
          {"mine.txt", "no journal"});
}

TEST_F(EvalRefusal, ModelWithoutTokenizer) {
  PRUNENET_REQUIRE_RUNTIME();
  tiny_model().write(model());
  fs::remove(model() / "tokenizer.json");
  expect_refused(with({"--task", "perplexity", "--data", file("text.txt", "some text"), "-q"}), {"tokenizer"});
}

}  // namespace
}  // namespace prunenet::test
