// Every layout of every task: what the prompt becomes, written out by hand from the harness' templates, and what is
// said of files that are damaged, empty or another task's. The questions are made up.
#include "evaluate/read_task.h"

#include <nlohmann/json.hpp>

#include "support/support.h"

namespace prunenet::test {
namespace {

using Texts = std::vector<std::string>;

class ReadTask : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_bytes(folder / name, text);
    return folder / name;
  }
  void expect_refused(Task task, const std::string& text, const Texts& fragments,
                      ErrorCode code = ErrorCode::kFormat) const {
    const auto path = write("refused.jsonl", text);
    Texts all = fragments;
    all.emplace_back("refused.jsonl");
    expect_error(code, all, [&] { read_task(task, path); });
  }
  TemporaryFolder folder;
};

const std::string kPiqa =
    R"({"goal": "How do I dry a wet hat?", "sol1": "Hang it in the sun.", "sol2": "Hang it in the pond."})"
    "\n"
    R"({"goal": "open a jar", "sol1": "bite it", "sol2": "turn the lid"})"
    "\n";

TEST_F(ReadTask, PiqaOriginal) {
  const auto path = write("valid.jsonl", kPiqa);
  write("valid-labels.lst", "0\n1\n");
  const TaskData data = read_task(Task::kPiqa, path);
  ASSERT_EQ(data.questions.size(), 2u);
  EXPECT_EQ(data.layout, "original");
  EXPECT_EQ(data.questions[0].contexts, Texts{"Question: How do I dry a wet hat?\nAnswer:"});
  EXPECT_EQ(data.questions[0].continuations, (Texts{"Hang it in the sun.", "Hang it in the pond."}));
  EXPECT_EQ(data.questions[0].gold, 0u);
  EXPECT_EQ(data.questions[1].gold, 1u);
  EXPECT_EQ(data.questions[1].where, path.string() + ":2");
  EXPECT_EQ(data.files.size(), 2u);

  write("valid-labels.lst", "0\n");
  expect_error(ErrorCode::kMismatch, {"valid-labels.lst", "1 labels", "2 questions"},
               [&] { read_task(Task::kPiqa, path); });
  write("valid-labels.lst", "0\n2\n");
  expect_error(ErrorCode::kFormat, {"valid-labels.lst:2", "0 or 1", "'2'"}, [&] { read_task(Task::kPiqa, path); });
  std::filesystem::remove(folder / "valid-labels.lst");
  expect_error(ErrorCode::kNotFound, {"valid-labels.lst", "'label'"}, [&] { read_task(Task::kPiqa, path); });
}

TEST_F(ReadTask, WinograndeOriginalFillsTheBlankAndScoresWhatFollows) {
  const auto path = write(
      "dev.jsonl",
      R"({"qID": "x-1", "sentence": "The cup fell off the shelf because the _ was slippery.", "option1": "cup", "option2": "shelf", "answer": "2"})");
  const TaskData data = read_task(Task::kWinogrande, path);
  EXPECT_EQ(data.questions[0].contexts,
            (Texts{"The cup fell off the shelf because the cup", "The cup fell off the shelf because the shelf"}));
  EXPECT_EQ(data.questions[0].continuations, Texts{"was slippery."});
  EXPECT_EQ(data.questions[0].gold, 1u);
  expect_refused(Task::kWinogrande, R"({"sentence": "no blank", "option1": "a", "option2": "b", "answer": "1"})",
                 {":1", "'_'"});
  expect_refused(Task::kWinogrande, R"({"sentence": "a _ b", "option1": "a", "option2": "b", "answer": ""})",
                 {":1", "'answer'", "without answers"});
  expect_refused(Task::kWinogrande, R"({"sentence": "a _ b", "option1": "a", "option2": "b", "answer": "3"})",
                 {":1", "1 or 2", "3"});
}

TEST_F(ReadTask, HellaswagOriginalIsPreparedAsTheHarnessDoes) {
  const auto path = write(
      "hellaswag_val.jsonl",
      R"({"activity_label": "Baking", "ctx_a": "[header] How to bake [title] Warm the oven. [step] Wait.", "ctx_b": "then SHE", "endings": ["opens it [substeps] slowly.", " sleeps  well."], "label": "1"})");
  const TaskData data = read_task(Task::kHellaswag, path);
  EXPECT_EQ(data.questions[0].contexts, Texts{"Baking: How to bake. Warm the oven. Wait. Then she"});
  EXPECT_EQ(data.questions[0].continuations, (Texts{"opens it slowly.", "sleeps well."}));
  EXPECT_EQ(data.questions[0].gold, 1u);
  expect_refused(Task::kHellaswag,
                 R"({"activity_label": "B", "ctx_a": "a", "ctx_b": "b", "endings": ["x", "y"], "label": 2})",
                 {":1", "'label' is 2"});
}

TEST_F(ReadTask, ArcOriginal) {
  const auto path = write(
      "ARC-Easy-Test.jsonl",
      R"({"id": "q1", "question": {"stem": "Which is a metal?", "choices": [{"text": "wood", "label": "1"}, {"text": "iron", "label": "2"}, {"text": "wool", "label": "3"}]}, "answerKey": "2"})");
  const TaskData data = read_task(Task::kArcEasy, path);
  EXPECT_EQ(data.questions[0].contexts, Texts{"Question: Which is a metal?\nAnswer:"});
  EXPECT_EQ(data.questions[0].continuations, (Texts{"wood", "iron", "wool"}));
  EXPECT_EQ(data.questions[0].gold, 1u);
  expect_error(ErrorCode::kMismatch, {"ARC-Easy-Test.jsonl", "expected questions of arc_challenge"},
               [&] { read_task(Task::kArcChallenge, path); });
  expect_refused(
      Task::kArcEasy,
      R"({"question": {"stem": "s", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}]}, "answerKey": "E"})",
      {":1", "'answerKey' is 'E'"});
  expect_refused(Task::kArcEasy, R"({"question": {"choices": []}, "answerKey": "E"})", {":1", "'question'", "'stem'"});
}

TEST_F(ReadTask, LambadaSplitsAtTheLastBlank) {
  const auto path = write("lambada_test.jsonl", R"({"text": "He gave the ring to Ann\nand then to “Bob"})");
  const TaskData data = read_task(Task::kLambada, path);
  EXPECT_EQ(data.questions[0].contexts, Texts{"He gave the ring to Ann\nand then to"});
  EXPECT_EQ(data.questions[0].continuations, Texts{"“Bob"});
  EXPECT_FALSE(data.questions[0].gold.has_value());
  expect_refused(Task::kLambada, R"({"text": "word"})", {":1", "one word"});
  expect_refused(Task::kLambada, R"({"text": " word"})", {":1", "before it"});
  expect_refused(Task::kLambada, R"({"context": "a b", "continuation": " "})", {":1", "last word"});
}

TEST_F(ReadTask, LlmFoundry) {
  const auto piqa = write("a.jsonl", R"({"query": "Question: open a jar\n", "choices": ["bite", "turn"], "gold": 1})");
  EXPECT_EQ(read_task(Task::kPiqa, piqa).questions[0].contexts, Texts{"Question: open a jar\nAnswer:"});
  EXPECT_EQ(read_task(Task::kPiqa, piqa).layout, "llm-foundry");
  const auto arc = write("b.jsonl", R"({"query": "Question: a metal?", "choices": ["tin", "tea", "toe"], "gold": 0})");
  EXPECT_EQ(read_task(Task::kArcChallenge, arc).questions[0].contexts, Texts{"Question: a metal?\nAnswer:"});
  const auto hellaswag = write("c.jsonl", R"({"query": "Baking: She", "choices": ["a", "b", "c", "d"], "gold": 3})");
  EXPECT_EQ(read_task(Task::kHellaswag, hellaswag).questions[0].contexts, Texts{"Baking: She"});
  const auto winogrande =
      write("d.jsonl", R"({"context_options": ["so Al", "so Bo"], "continuation": "left.", "gold": 0})");
  EXPECT_EQ(read_task(Task::kWinogrande, winogrande).questions[0].continuations, Texts{"left."});
  const auto lambada = write("e.jsonl", R"({"context": "one two", "continuation": "three"})");
  EXPECT_EQ(read_task(Task::kLambada, lambada).questions[0].contexts, Texts{"one two"});
}

std::string olmo_line(int doc_id, int idx, const std::string& shots, const std::string& continuation, int label = 1) {
  nlohmann::json line = {
      {"request_type", "loglikelihood"},
      {"doc", {{"query", "Baking: She"}, {"choices", {"runs.", "bakes."}}, {"gold", label}}},
      {"request", {{"context", doc_id >= 1000000 ? "Answer:" : shots + "Baking: She"}, {"continuation", continuation}}},
      {"idx", idx},
      {"doc_id", doc_id},
      {"label", label}};
  return line.dump() + "\n";
}

TEST_F(ReadTask, OlmoRequestsAreGathered) {
  const std::string shots = "One: a b.\n\nTwo: c d.\n\n";
  const std::string whole =
      olmo_line(4, 0, shots, " runs.") + olmo_line(4, 1, shots, " bakes.") + olmo_line(1000004, 0, "", " runs.");
  TaskData data = read_task(Task::kHellaswag, write("requests.jsonl", whole));
  ASSERT_EQ(data.questions.size(), 1u);
  EXPECT_EQ(data.num_given_shots, 2);
  TaskData with_shots = data;
  add_shots(data, 0);
  EXPECT_EQ(data.questions[0].contexts, Texts{"Baking: She"});
  EXPECT_EQ(data.questions[0].continuations, (Texts{"runs.", "bakes."}));
  add_shots(with_shots, 2);
  EXPECT_EQ(with_shots.questions[0].contexts, Texts{shots + "Baking: She"});
  expect_error(ErrorCode::kBadOption, {"--shots", "2 worked examples", "0 or 2"}, [&] { add_shots(data, 1); });

  expect_refused(Task::kHellaswag, olmo_line(4, 0, shots, " runs."), {":1", "choice 1"});
  expect_refused(Task::kHellaswag, whole + olmo_line(4, 1, shots, " bakes."), {":4", "twice"});
  expect_refused(Task::kHellaswag, olmo_line(4, 0, shots, "runs."), {":1", "not a blank and choice 0"});
  expect_refused(Task::kHellaswag, olmo_line(4, 0, shots, " runs.") + olmo_line(4, 1, "", " bakes."),
                 {":2", "another context"});
  expect_refused(Task::kHellaswag, olmo_line(4, 2, shots, " runs."), {":1", "'idx' is 2"});
}

TEST_F(ReadTask, MmluFolderWithExamples) {
  write("mmlu/test/high_school_cooking_test.csv", "\"What, if \"\"hot\"\", burns?\",oil,ice,\"salt, coarse\",air,A\n");
  write("mmlu/test/baking_test.csv", "Flour is?,a,b,c,d,D\nYeast is?,a,b,c,d,B\n");
  write("mmlu/dev/high_school_cooking_dev.csv", "Water is? ,wet,dry,old,new,A\nSalt is?,a,b,c,d,C\n");
  const TaskData data = read_task(Task::kMmlu, folder / "mmlu");
  ASSERT_EQ(data.questions.size(), 3u);
  EXPECT_EQ(data.questions[0].group, "baking");
  TaskData cooking = read_task(Task::kMmlu, folder / "mmlu/test/high_school_cooking_test.csv");
  TaskData none = cooking;
  const std::string about = "The following are multiple choice questions (with answers) about high school cooking.\n\n";
  const std::string question = "What, if \"hot\", burns?\nA. oil\nB. ice\nC. salt, coarse\nD. air\nAnswer:";
  add_shots(none, 0);
  EXPECT_EQ(none.questions[0].contexts, Texts{about + question});
  EXPECT_EQ(none.questions[0].continuations, (Texts{"A", "B", "C", "D"}));
  EXPECT_EQ(none.questions[0].gold, 0u);
  TaskData two = cooking;
  add_shots(two, 2);
  EXPECT_EQ(
      two.questions[0].contexts[0],
      about +
          "Water is?\nA. wet\nB. dry\nC. old\nD. new\nAnswer: A\n\nSalt is?\nA. a\nB. b\nC. c\nD. d\nAnswer: C\n\n" +
          question);
  expect_error(ErrorCode::kBadOption, {"--shots", "3 worked examples", "only 2"}, [&] { add_shots(cooking, 3); });
  TaskData baking = read_task(Task::kMmlu, folder / "mmlu/test/baking_test.csv");
  expect_error(ErrorCode::kBadOption, {"--shots", "no worked examples"}, [&] { add_shots(baking, 1); });
}

TEST_F(ReadTask, UglyMmlu) {
  write("mmlu/test/a_test.csv", "q,a,b,c,D\n");
  expect_error(ErrorCode::kFormat, {"a_test.csv:1", "6 fields", "found 5"},
               [&] { read_task(Task::kMmlu, folder / "mmlu"); });
  write("mmlu/test/a_test.csv", "q,a,b,c,d,A\nq,a,b,c,d,E\n");
  expect_error(ErrorCode::kFormat, {"a_test.csv:2", "A, B, C or D", "'E'"},
               [&] { read_task(Task::kMmlu, folder / "mmlu"); });
  write("mmlu/test/a_test.csv", "");
  expect_error(ErrorCode::kFormat, {"a_test.csv", "no question"}, [&] { read_task(Task::kMmlu, folder / "mmlu"); });
  std::filesystem::create_directories(folder / "empty");
  expect_error(ErrorCode::kNotFound, {"empty", "_test.csv"}, [&] { read_task(Task::kMmlu, folder / "empty"); });
  const auto named = write("x.csv", "q,a,b,c,d,A\n");
  expect_error(ErrorCode::kFormat, {"x.csv", "subject"}, [&] { read_task(Task::kMmlu, named); });
}

TEST_F(ReadTask, AnotherTasksQuestionsAreCalledByTheirName) {
  expect_refused(Task::kWinogrande, kPiqa, {":1", "expected questions of winogrande", "piqa"}, ErrorCode::kMismatch);
  expect_refused(Task::kPiqa, R"({"query": "Question: x?", "choices": ["a", "b", "c"], "gold": 0})",
                 {":1", "arc_easy or arc_challenge"}, ErrorCode::kMismatch);
  expect_refused(Task::kPiqa, R"({"query": "Baking: She", "choices": ["a", "b"], "gold": 0})", {":1", "hellaswag"},
                 ErrorCode::kMismatch);
  expect_refused(Task::kHellaswag, R"({"text": "one two"})", {":1", "lambada"}, ErrorCode::kMismatch);
  const std::string piqa_line = R"({"query": "Question: x", "choices": ["a", "b"], "gold": 0})";
  expect_refused(Task::kPiqa, piqa_line + "\n" + R"({"query": "Question: x", "choices": ["a", "b", "c"], "gold": 0})",
                 {":2", "lines before"}, ErrorCode::kMismatch);
}

TEST_F(ReadTask, MissingKeysAreNamedWithTheirLine) {
  expect_refused(Task::kPiqa, R"({"goal": "x", "sol1": "a", "label": 0})", {":1", "misses 'sol2'"});
  const std::string good = R"({"context_options": ["a", "b"], "continuation": "c", "gold": 0})";
  expect_refused(Task::kWinogrande, good + "\n\n" + R"({"context_options": ["a", "b"], "gold": 0})",
                 {":3", "misses 'continuation'"});
  expect_refused(Task::kArcEasy, R"({"query": "Question: x", "gold": 0})", {":1", "misses 'choices'"});
  expect_refused(Task::kWinogrande, good + "\nnot json\n", {":2", "no JSON"});
  expect_refused(Task::kWinogrande, good + "\n[1, 2]\n", {":2", "object", "array"});
  expect_refused(Task::kWinogrande, R"({"unknown": 1})", {":1", "no known layout of winogrande", "unknown"});
  expect_refused(Task::kArcEasy, R"({"query": "Question: x", "choices": ["a", "", "c"], "gold": 0})", {":1", "empty"});
  expect_refused(Task::kArcEasy, R"({"query": "Question: x", "choices": ["a", "b", "c"], "gold": 3})",
                 {":1", "'gold' is 3"});
  expect_refused(Task::kArcEasy, R"({"query": "Question: x", "choices": ["a", "b", "c"], "gold": -1})",
                 {":1", "'gold' is -1"});
  expect_refused(Task::kArcEasy, R"({"query": "Question: x", "choices": ["a", "b", "c"], "gold": 0.5})",
                 {":1", "'gold'", "whole number"});
  for (const std::string nothing : {"", "\n\n", " \r\n"}) expect_refused(Task::kPiqa, nothing, {"holds no question"});
  expect_error(ErrorCode::kNotFound, {"absent"}, [&] { read_task(Task::kPiqa, folder / "absent"); });
}

TEST_F(ReadTask, ShotsFromAnotherFileLeaveOutTheQuestionItself) {
  const auto path = write("w.jsonl",
                          "{\"context_options\": [\"so Al\", \"so Bo\"], \"continuation\": \"left.\", \"gold\": 1}\n"
                          "{\"context_options\": [\"as Cy\", \"as Di\"], \"continuation\": \"won.\", \"gold\": 0}\n"
                          "{\"context_options\": [\"if Ed\", \"if Fi\"], \"continuation\": \"ran.\", \"gold\": 1}\n");
  TaskData data = read_task(Task::kWinogrande, path);
  data.examples[""] = data.questions;
  TaskData too_many = data;
  add_shots(data, 2);
  EXPECT_EQ(data.questions[0].contexts,
            (Texts{"as Cy won.\n\nif Fi ran.\n\nso Al", "as Cy won.\n\nif Fi ran.\n\nso Bo"}));
  EXPECT_EQ(data.questions[2].contexts[0], "so Bo left.\n\nas Cy won.\n\nif Ed");
  expect_error(ErrorCode::kBadOption, {"--shots", "3", "only 2"}, [&] { add_shots(too_many, 3); });
}

TEST_F(ReadTask, LimitIsByGroup) {
  write("m/test/a_test.csv", "1,a,b,c,d,A\n2,a,b,c,d,A\n3,a,b,c,d,A\n");
  write("m/test/b_test.csv", "4,a,b,c,d,A\n");
  TaskData data = read_task(Task::kMmlu, folder / "m");
  limit_questions(data, 2);
  ASSERT_EQ(data.questions.size(), 3u);
  EXPECT_TRUE(data.questions[1].contexts[0].starts_with("2"));
  EXPECT_EQ(data.questions[2].group, "b");
}

TEST_F(ReadTask, FoldersAreSearchedByContent) {
  write("one/oddly_named.txt", R"({"context_options": ["a", "b"], "continuation": "c", "gold": 0})");
  write("one/deep/p/valid.jsonl", kPiqa);  // three levels down: out of reach
  write("two/valid.jsonl", kPiqa);
  write("two/train.jsonl", kPiqa);
  write("two/tests.jsonl", kPiqa);
  write("arc/ARC-Easy/test.jsonl", R"({"question": {"stem": "s", "choices": []}, "answerKey": "A"})");
  write("arc/ARC-Easy/dev.jsonl", R"({"question": {"stem": "s", "choices": []}, "answerKey": "A"})");
  write("arc/science.jsonl", R"({"question": {"stem": "s", "choices": []}, "answerKey": "A"})");
  write("web.jsonl", R"({"text": "any page"})");
  write("notes.md", "{ not json");
  write("binary.bin", std::string("\x1f\x8b\x00\x01", 4));
  write("m/test/a_test.csv", "1,a,b,c,d,A\n");
  std::set<Task> all;
  for (const TaskInfo& info : all_tasks()) all.insert(info.task);
  const FoundData found = find_task_data(folder.path(), all);
  const std::map<Task, std::filesystem::path> expected{{Task::kWinogrande, folder / "one/oddly_named.txt"},
                                                       {Task::kPiqa, folder / "two/valid.jsonl"},
                                                       {Task::kArcEasy, folder / "arc/ARC-Easy/test.jsonl"},
                                                       {Task::kMmlu, folder / "m"}};
  EXPECT_EQ(found.paths, expected);
  EXPECT_EQ(found.passed_over.size(), 4u) << ::testing::PrintToString(found.passed_over);  // train, tests, dev, science

  write("three/dev.jsonl", kPiqa);
  expect_error(ErrorCode::kMismatch, {"three/dev.jsonl", "two/valid.jsonl", "piqa"},
               [&] { find_task_data(folder.path(), all); });
  EXPECT_NO_THROW(find_task_data(folder.path(), {Task::kWinogrande}));
}

TEST(SharedTaskData, EveryFileIsFoundAndWhole) {
  PRUNENET_REQUIRE_SHARED_DATA(shared);
  std::set<Task> all;
  for (const TaskInfo& info : all_tasks()) all.insert(info.task);
  const FoundData found = find_task_data(shared / "datasets", all);
  const std::map<Task, size_t> sizes{{Task::kPiqa, 1838},    {Task::kWinogrande, 1267},   {Task::kHellaswag, 1000},
                                     {Task::kArcEasy, 2376}, {Task::kArcChallenge, 1172}, {Task::kMmlu, 398},
                                     {Task::kLambada, 5153}};
  EXPECT_EQ(found.passed_over, Texts{});
  for (const auto& [task, size] : sizes) {
    ASSERT_TRUE(found.paths.contains(task)) << task_info(task).name;
    EXPECT_EQ(read_task(task, found.paths.at(task)).questions.size(), size) << task_info(task).name;
  }
}

}  // namespace
}  // namespace prunenet::test
