// Splitting a context from its continuation, and accuracies worked out by hand.
#include "evaluate/choice_task.h"

#include <cmath>

#include "evaluate/fakes.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

constexpr TokenId byte_id(char c) {
  return PairTokenizer::kBytes + static_cast<unsigned char>(c);
}
constexpr TokenId blank_and(char c) {
  return PairTokenizer::kPairs + (c - 'a');
}

TEST(EncodePair, TheContinuationIsWhatTheWholeHasBeyondTheContext) {
  const PairTokenizer tokenizer;
  const auto pair = TextEncoder(tokenizer, {}).encode_pair("A:", " xY", "w");
  EXPECT_EQ(pair.requests.at(0).ids,
            (std::vector<TokenId>{1, byte_id('A'), byte_id(':'), blank_and('x'), byte_id('Y')}));
  EXPECT_EQ(pair.requests.at(0).first_scored, 3);
  EXPECT_EQ(pair.cut, 0);
}

TEST(EncodePair, WhitespaceAtTheEndOfTheContextMovesOver) {
  const PairTokenizer tokenizer;
  const TextEncoder encoder(tokenizer, {});
  const auto moved = encoder.encode_pair("A: ", "x", "w");
  EXPECT_EQ(moved.requests.at(0).ids, encoder.encode_pair("A:", " x", "w").requests.at(0).ids);
  EXPECT_EQ(moved.requests.at(0).first_scored, 3);
  EXPECT_EQ(encoder.encode_pair("A\u00a0\n", "x", "w").requests.at(0).first_scored, 2);
}

TEST(EncodePair, ATokenAcrossTheBorderCountsToTheContext) {
  const PairTokenizer tokenizer;
  // "t" + "he": the whole begins with the pair "th", so that only "e" is beyond the one token of the context.
  const auto pair = TextEncoder(tokenizer, {.bos = BosRule::kNever}).encode_pair("t", "he", "w");
  EXPECT_EQ(pair.requests.at(0).ids.size(), 2u);
  EXPECT_EQ(pair.requests.at(0).first_scored, 1);
  expect_error(ErrorCode::kUnsupported, {"w", "'h'"}, [&] { TextEncoder(tokenizer, {}).encode_pair("t", "h", "w"); });
}

TEST(EncodePair, LongContextsLoseTheirFront) {
  const PairTokenizer tokenizer;
  const TextEncoder encoder(tokenizer, {.max_context = 4});
  const auto pair = encoder.encode_pair("ABCDE", "FG", "w");
  EXPECT_EQ(pair.requests.at(0).ids, (std::vector<TokenId>{byte_id('D'), byte_id('E'), byte_id('F'), byte_id('G')}));
  EXPECT_EQ(pair.requests.at(0).first_scored, 2);
  EXPECT_EQ(pair.cut, 4);
  EXPECT_EQ(encoder.encode_pair("AB", "C", "w").cut, 0);  // BOS and three: exactly full
  EXPECT_EQ(encoder.encode_pair("A", "BCD", "w").requests.at(0).first_scored, 1);
}

TEST(EncodePair, AContinuationThatDoesNotFitIsScoredInParts) {
  const PairTokenizer tokenizer;
  for (const int64_t limit : {2, 3, 4, 7}) {
    const auto requests = TextEncoder(tokenizer, {.max_context = limit}).encode_pair("ABC", "DEFGHIJK", "w").requests;
    const std::vector<TokenId> whole = tokenizer.encode("ABCDEFGHIJK");
    size_t scored = 4;  // BOS and the context
    for (const ScoreRequest& request : requests) {
      ASSERT_LE(static_cast<int64_t>(request.ids.size()), limit);
      ASSERT_GE(request.first_scored, 1);
      const auto begin = scored - static_cast<size_t>(request.first_scored);  // each window is a piece of the whole
      const auto from = whole.begin() + static_cast<std::ptrdiff_t>(begin);
      ASSERT_TRUE(std::equal(request.ids.begin(), request.ids.end(), from));
      scored = begin + request.ids.size();
    }
    EXPECT_EQ(scored, whole.size()) << limit;
  }
}

TEST(EncodePair, AnEmptyContextIsBos) {
  const PairTokenizer with, without(false);
  EXPECT_EQ(TextEncoder(with, {}).encode_pair("", "AB", "w").requests.at(0).ids,
            (std::vector<TokenId>{1, byte_id('A'), byte_id('B')}));
  EXPECT_EQ(TextEncoder(without, {}).encode_pair("", "AB", "w").requests.at(0).ids.front(), PairTokenizer::kBos);
  expect_error(ErrorCode::kUnsupported, {"w"}, [&] { TextEncoder(without, {}).encode_pair(" ", "AB", "w"); });
}

TaskData data_of(Task task, const std::vector<size_t>& golds, const std::vector<std::string>& choices) {
  TaskData data;
  data.task = task;
  for (const size_t gold : golds) {
    Question question;
    question.contexts = {"Q:"};
    question.continuations = choices;
    question.gold = gold;
    question.group = gold == 0 ? "zero" : "other";
    data.questions.push_back(question);
  }
  return data;
}

TaskResult judged(const TaskData& data, const std::vector<double>& log_probs, const std::vector<bool>& greedy = {}) {
  const PairTokenizer tokenizer;
  const TaskRequests requests = make_requests(data, TextEncoder(tokenizer, {}));
  std::vector<RequestScore> scores;
  for (size_t i = 0; i < log_probs.size(); ++i) scores.push_back({log_probs[i], !greedy.empty() && greedy[i]});
  return judge(data, requests, scores);
}

TEST(Judge, NormsDivideByBytesOrCharactersOfTheChoice) {
  // Choices of 2 bytes (1 character), 3 bytes and 6 bytes.
  const TaskData data = data_of(Task::kPiqa, {0, 1, 2, 2}, {"\u00e9", "abc", "abcdef"});
  const std::vector<double> log_probs{
      -1.0, -1.6, -2.9,   // best 0; per byte -0.5 -0.53 -0.48: 2; per character -1 -0.53 -0.48: 2
      -2.0, -1.5, -3.3,   // best 1; per byte -1 -0.5 -0.55: 1; per character: 1
      -1.0, -1.0, -9.0,   // a tie: the first, 0; per byte -0.5 -0.33 -1.5: 1; per character: 1
      -0.4, -0.9, -1.5};  // best 0; per byte -0.2 -0.3 -0.25: 0; per character -0.4 -0.3 -0.25: 2
  const TaskResult result = judged(data, log_probs);
  EXPECT_EQ(result.num_items, 4);
  EXPECT_DOUBLE_EQ(result.acc.mean, 2 / 4.0);
  EXPECT_DOUBLE_EQ(result.acc_norm->mean, 1 / 4.0);
  EXPECT_DOUBLE_EQ(result.acc_norm_characters->mean, 2 / 4.0);
  // Sample standard deviation of {1, 1, 0, 0} is sqrt(1/3); of {0, 1, 0, 0} it is 1/2.
  EXPECT_NEAR(result.acc.standard_error, std::sqrt(1 / 3.0) / 2, 1e-15);
  EXPECT_NEAR(result.acc_norm->standard_error, 0.5 / 2, 1e-15);
  EXPECT_EQ(result.items[2].picked, 0u);
  EXPECT_EQ(result.items[0].bytes, (std::vector<int64_t>{2, 3, 6}));
}

TEST(Judge, AChoiceScoredInPartsCountsAsOneSum) {
  const PairTokenizer tokenizer;
  const TaskData data = data_of(Task::kPiqa, {1, 1}, {"ABCDEFG", "A"});
  const TaskRequests requests = make_requests(data, TextEncoder(tokenizer, {.max_context = 4}));
  EXPECT_EQ(requests.num_split, 2);
  std::vector<RequestScore> scores;  // 1 nat a token; the first choice, with its blank, has 8 of them
  for (const ScoreRequest& request : requests.requests) {
    scores.push_back({static_cast<double>(request.first_scored) - static_cast<double>(request.ids.size()), true});
  }
  const TaskResult result = judge(data, requests, scores);
  for (const ItemResult& item : result.items) EXPECT_EQ(item.log_likelihoods, (std::vector<double>{-8, -2}));
  EXPECT_EQ(result.acc.mean, 1);
}

TEST(Judge, OneItemHasNoError) {
  const TaskResult result = judged(data_of(Task::kPiqa, {0}, {"a", "b"}), {-1, -2});
  EXPECT_EQ(result.acc.mean, 1);
  EXPECT_EQ(result.acc.standard_error, 0);
}

TEST(Judge, MmluIsReportedBySubjectAndOverAllItems) {
  const TaskResult result = judged(data_of(Task::kMmlu, {0, 1, 0, 0}, {"A", "B"}), {-1, -2, -1, -2, -2, -1, -1, -2});
  EXPECT_DOUBLE_EQ(result.acc.mean, 2 / 4.0);
  EXPECT_FALSE(result.acc_norm.has_value());
  ASSERT_EQ(result.groups.size(), 2u);
  EXPECT_EQ(result.groups[0].group, "zero");
  EXPECT_DOUBLE_EQ(result.groups[0].acc.mean, 2 / 3.0);
  EXPECT_DOUBLE_EQ(result.groups[1].acc.mean, 0);
}

TEST(Judge, LambadaCountsWordsThatGreedyDecodingWrites) {
  TaskData data = data_of(Task::kLambada, {0, 0}, {"word"});
  for (Question& question : data.questions) question.gold.reset();
  const TaskResult result = judged(data, {-1, -3}, {true, false});
  EXPECT_DOUBLE_EQ(result.acc.mean, 0.5);
  EXPECT_DOUBLE_EQ(*result.perplexity, std::exp(2.0));
  EXPECT_FALSE(result.acc_norm.has_value());
}

TEST(Judge, WinograndeComparesContexts) {
  TaskData data;
  data.task = Task::kWinogrande;
  Question question;
  question.contexts = {"so Al", "so Bo"};
  question.continuations = {"left."};
  question.gold = 1;
  data.questions = {question};
  const TaskResult result = judged(data, {-5, -4});
  EXPECT_EQ(result.items[0].picked, 1u);
  EXPECT_TRUE(result.items[0].right);
}

}  // namespace
}  // namespace prunenet::test
