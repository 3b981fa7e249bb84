// The tasks a second time, from their definition: straight loops, one sequence at a time, nothing shared with the
// library but the tokenizer and the engine. Both must agree item by item on every real data file, with and without BOS.
#include <zlib.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "evaluate/choice_task.h"
#include "evaluate/fakes.h"
#include "evaluate/read_task.h"
#include "evaluate/scorer.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

using Json = nlohmann::json;

constexpr int64_t kItems = 12;  // of each file: its first ones

struct NaiveItem {
  std::vector<double> log_likelihoods;
  std::vector<bool> greedy;
  int gold = -1, best = 0, best_per_byte = 0;
};

// The sum of log p(token) over the tokens of `whole` beyond those of `context`.
std::pair<double, bool> naive_score(HashEngine& engine, const Tokenizer& tokenizer, std::string context,
                                    std::string continuation, size_t longest) {
  while (!context.empty() && std::string(" \n\t\r").find(context.back()) != std::string::npos) {
    continuation.insert(continuation.begin(), context.back());
    context.pop_back();
  }
  auto whole = tokenizer.encode(context + continuation);
  size_t known = tokenizer.encode(context).size();
  while (longest > 0 && whole.size() > longest) {
    whole.erase(whole.begin());
    --known;
  }
  double sum = 0;
  bool greedy = true;
  for (size_t t = known; t < whole.size(); ++t) {
    const std::vector<TokenId> so_far(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(t) + 1);
    const auto token = engine.score(std::vector<ScoreRequest>{{so_far, static_cast<int64_t>(t)}})[0][0];
    sum += static_cast<double>(token.log_prob);
    greedy = greedy && token.is_greedy;
  }
  return {sum, greedy};
}

struct Choices {
  std::vector<std::string> contexts, continuations;  // of equal length
  int gold = -1;
};

NaiveItem naive_item(HashEngine& engine, const Tokenizer& tokenizer, const Choices& choices, size_t longest) {
  NaiveItem item;
  item.gold = choices.gold;
  for (size_t c = 0; c < choices.contexts.size(); ++c) {
    const auto [sum, greedy] =
        naive_score(engine, tokenizer, choices.contexts[c], " " + choices.continuations[c], longest);
    item.log_likelihoods.push_back(sum);
    item.greedy.push_back(greedy);
    const auto better = [&](size_t a, int b, bool per_byte) {
      const auto value = [&](size_t i) {
        return item.log_likelihoods[i] / (per_byte ? static_cast<double>(choices.continuations[i].size()) : 1.0);
      };
      return value(a) > value(static_cast<size_t>(b));
    };
    if (better(c, item.best, false)) item.best = static_cast<int>(c);
    if (better(c, item.best_per_byte, true)) item.best_per_byte = static_cast<int>(c);
  }
  return item;
}

std::vector<Json> json_lines(const std::filesystem::path& path) {
  std::vector<Json> lines;
  gzFile file = gzopen(path.c_str(), "rb");  // reads plain files too
  std::string line(1 << 20, '\0');
  while (gzgets(file, line.data(), static_cast<int>(line.size())) != nullptr)
    lines.push_back(Json::parse(line.c_str()));
  gzclose(file);
  return lines;
}

std::vector<Choices> naive_choices(const std::filesystem::path& folder, Task task, bool shots) {
  std::vector<Choices> all;
  const auto foundry = [&](const std::string& name) { return json_lines(folder / "llm-foundry" / (name + ".jsonl")); };
  if (task == Task::kPiqa || task == Task::kArcEasy || task == Task::kArcChallenge) {
    for (const Json& line : foundry(task == Task::kPiqa      ? "piqa"
                                    : task == Task::kArcEasy ? "arc_easy"
                                                             : "arc_challenge")) {
      Choices choices;
      for (const std::string choice : line["choices"]) {
        std::string query = line["query"];
        if (query.back() != '\n') query += '\n';
        choices.contexts.push_back(query + "Answer:");
        choices.continuations.push_back(choice);
      }
      choices.gold = line["gold"];
      all.push_back(choices);
    }
  }
  if (task == Task::kWinogrande) {
    for (const Json& line : foundry("winogrande")) {
      all.push_back({{line["context_options"][0], line["context_options"][1]},
                     {line["continuation"], line["continuation"]},
                     line["gold"]});
    }
  }
  if (task == Task::kLambada) {
    for (const Json& line : foundry("lambada_openai")) all.push_back({{line["context"]}, {line["continuation"]}, -1});
  }
  if (task == Task::kHellaswag) {
    for (const Json& line : json_lines(folder / "hellaswag_olmo_rc_5shot" / "requests.jsonl.gz")) {
      if (line["doc_id"] >= 1000000) continue;
      if (line["idx"] == 0) all.push_back({{}, {}, line["label"]});
      all.back().contexts.push_back(shots ? line["request"]["context"] : line["doc"]["query"]);
      all.back().continuations.push_back(std::string(line["request"]["continuation"]).substr(1));
    }
  }
  return all;
}

class NaiveScorer : public ::testing::Test {
 protected:
  void expect_equal(Task task, TaskData data, const std::vector<Choices>& choices, bool bos, int64_t longest = 0) {
    const PairTokenizer tokenizer(bos);
    const TextEncoder encoder(tokenizer, {.max_context = longest});
    HashEngine engine(tokenizer.vocab_size(), longest);
    const TaskRequests requests = make_requests(data, encoder);
    SilentProgress silent;
    const auto scores = score_requests(engine, request_list("t", requests.requests), {.ids = 3000}, nullptr, silent);
    EXPECT_LE(engine.largest_batch_requests == 1 ? 0 : engine.largest_batch_ids, 3000);
    const TaskResult result = judge(data, requests, scores);
    ASSERT_EQ(result.items.size(), choices.size());
    int64_t right = 0, right_norm = 0;
    for (size_t i = 0; i < choices.size(); ++i) {
      const NaiveItem naive = naive_item(engine, tokenizer, choices[i], static_cast<size_t>(longest));
      const ItemResult& item = result.items[i];
      ASSERT_EQ(item.log_likelihoods.size(), naive.log_likelihoods.size());
      for (size_t c = 0; c < naive.log_likelihoods.size(); ++c) {
        ASSERT_EQ(item.log_likelihoods[c], naive.log_likelihoods[c])
            << task_info(task).name << " item " << i << " choice " << c;
        ASSERT_EQ(item.greedy[c], naive.greedy[c]);
      }
      right += naive.gold < 0 ? naive.greedy[0] : naive.best == naive.gold;
      right_norm += naive.best_per_byte == naive.gold;
    }
    const auto n = static_cast<double>(choices.size());
    EXPECT_DOUBLE_EQ(result.acc.mean, static_cast<double>(right) / n);
    if (result.acc_norm) {
      EXPECT_DOUBLE_EQ(result.acc_norm->mean, static_cast<double>(right_norm) / n);
    }
  }
};

TEST_F(NaiveScorer, AgreesOnEveryRealFile) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  std::set<Task> tasks;
  for (const TaskInfo& info : all_tasks()) tasks.insert(info.task);
  const FoundData found = find_task_data(shared / "datasets", tasks);
  for (const TaskInfo& info : all_tasks()) {
    if (info.task == Task::kMmlu) continue;
    TaskData data = read_task(info.task, found.paths.at(info.task));
    auto choices = naive_choices(shared / "datasets", info.task, false);
    ASSERT_EQ(data.questions.size(), choices.size()) << info.name;
    limit_questions(data, kItems);
    add_shots(data, 0);
    choices.resize(kItems);
    expect_equal(info.task, data, choices, true);
    expect_equal(info.task, data, choices, false);
    if (info.task == Task::kLambada) expect_equal(info.task, data, choices, true, 100);  // contexts lose their front
  }
}

TEST_F(NaiveScorer, AgreesOnHellaswagWithItsFiveExamples) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  TaskData data = read_task(Task::kHellaswag, shared / "datasets/hellaswag_olmo_rc_5shot/requests.jsonl.gz");
  EXPECT_EQ(data.num_given_shots, 5);
  limit_questions(data, 1);
  add_shots(data, 5);
  auto choices = naive_choices(shared / "datasets", Task::kHellaswag, true);
  choices.resize(1);
  EXPECT_EQ(data.questions[0].contexts[0], choices[0].contexts[0]);
  expect_equal(Task::kHellaswag, data, choices, true);
}

// Python's csv module reads these files without surprises; a split by hand of the lines without quotes is enough here.
TEST_F(NaiveScorer, AgreesOnMmluWithAndWithoutExamples) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  const auto folder = shared / "datasets/mmlu_csv";
  const auto plain_rows = [](const std::filesystem::path& path) {
    std::vector<std::vector<std::string>> rows;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (line.find('"') != line.npos) {
        rows.emplace_back();  // its place is kept
        continue;
      }
      std::vector<std::string> row{""};
      for (const char c : line) {
        if (c == ',') {
          row.emplace_back();
        } else {
          row.back() += c;
        }
      }
      rows.push_back(row);
    }
    return rows;
  };
  const auto asked = [](const std::vector<std::string>& row) {
    return row[0] + "\nA. " + row[1] + "\nB. " + row[2] + "\nC. " + row[3] + "\nD. " + row[4] + "\nAnswer:";
  };
  const std::string about =
      "The following are multiple choice questions (with answers) about high school geography.\n\n";
  const auto test = plain_rows(folder / "test/high_school_geography_test.csv");
  const auto dev = plain_rows(folder / "dev/high_school_geography_dev.csv");
  for (const int shots : {0, 1}) {
    TaskData data = read_task(Task::kMmlu, folder / "test/high_school_geography_test.csv");
    ASSERT_EQ(data.questions.size(), test.size());
    ASSERT_FALSE(dev[0].empty());
    add_shots(data, shots);
    TaskData kept = data;
    kept.questions.clear();
    std::vector<Choices> all;
    for (size_t i = 0; i < test.size() && all.size() < kItems; ++i) {
      if (test[i].empty()) continue;
      const std::string context = about + (shots == 1 ? asked(dev[0]) + " " + dev[0][5] + "\n\n" : "") + asked(test[i]);
      all.push_back({{context, context, context, context}, {"A", "B", "C", "D"}, test[i][5][0] - 'A'});
      kept.questions.push_back(data.questions[i]);
    }
    expect_equal(Task::kMmlu, kept, all, true);
  }
}

}  // namespace
}  // namespace prunenet::test
