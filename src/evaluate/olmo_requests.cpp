// HellaSwag as the log-likelihood requests of OLMES: a line for each choice of each question, whose context holds
// worked examples before the question. The lines of the unconditional requests (their context is "Answer:") are left
// out.
#include <fmt/format.h>

#include "base/error.h"
#include "evaluate/layouts.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

constexpr int64_t kUnconditionalFrom = 1000000;  // added to doc_id

int64_t count_blocks(std::string_view text) {
  int64_t count = 0;
  for (size_t at = text.find("\n\n"); at != text.npos; at = text.find("\n\n", at + 2)) ++count;
  return count;
}

struct Reading {
  TaskData& data;
  std::map<int64_t, size_t> questions;        // doc_id -> place
  std::vector<std::vector<bool>> lines_seen;  // of each question, by choice
};

void start_question(Reading& reading, int64_t doc_id, const Record& record) {
  const Record doc = record.object("doc");
  Question question;
  question.contexts = {doc.text("query")};
  question.continuations = doc.texts("choices");
  if (question.continuations.size() < 2) fail(ErrorCode::kFormat, record.where(), "fewer than 2 choices");
  question.gold = record.index("label", question.continuations.size());
  question.where = record.where();
  const std::string context = record.object("request").text("context");
  if (!context.ends_with(question.contexts[0])) {
    fail(ErrorCode::kFormat, record.where(), "the context of the request does not end with the question ('query')");
  }
  std::string shots = context.substr(0, context.size() - question.contexts[0].size());
  const int64_t count = count_blocks(shots);
  if (reading.data.questions.empty()) reading.data.num_given_shots = count;
  if (count != reading.data.num_given_shots) {
    fail(ErrorCode::kFormat, record.where(), "{} worked examples, the questions before have {}", count,
         reading.data.num_given_shots);
  }
  reading.questions[doc_id] = reading.data.questions.size();
  reading.lines_seen.emplace_back(question.continuations.size(), false);
  reading.data.questions.push_back(std::move(question));
  reading.data.given_shots.push_back(std::move(shots));
}

void add_line(Reading& reading, const Record& record) {
  const int64_t doc_id = record.integer("doc_id");
  if (doc_id < 0) fail(ErrorCode::kFormat, record.where(), "'doc_id' is {}", doc_id);
  if (doc_id >= kUnconditionalFrom) return;
  if (!reading.questions.contains(doc_id)) start_question(reading, doc_id, record);
  const size_t place = reading.questions[doc_id];
  const Question& question = reading.data.questions[place];
  const size_t choice = record.index("idx", question.continuations.size());
  const Record request = record.object("request");
  if (request.text("continuation") != " " + question.continuations[choice]) {
    fail(ErrorCode::kFormat, record.where(), "the continuation is not a blank and choice {} of the question", choice);
  }
  if (request.text("context") != reading.data.given_shots[place] + question.contexts[0]) {
    fail(ErrorCode::kFormat, record.where(), "another context than the first line of question {}", doc_id);
  }
  if (reading.lines_seen[place][choice])
    fail(ErrorCode::kFormat, record.where(), "choice {} of question {} stands here twice", choice, doc_id);
  reading.lines_seen[place][choice] = true;
}

}  // namespace

void read_olmo_requests(std::span<const DataLine> lines, const std::string& file, TaskData& data) {
  Reading reading{data, {}, {}};
  for (const DataLine& line : lines) {
    const std::string where = fmt::format("{}:{}", file, line.number);
    const Record record(line.text, where);
    if (layout_of(record) != Layout::kOlmoRequests)
      fail(ErrorCode::kFormat, where, "misses 'request' (found: {})", record.keys());
    add_line(reading, record);
  }
  for (size_t place = 0; place < data.questions.size(); ++place) {
    for (size_t choice = 0; choice < reading.lines_seen[place].size(); ++choice) {
      if (reading.lines_seen[place][choice]) continue;
      fail(ErrorCode::kFormat, data.questions[place].where,
           "the question that begins here has no line for its choice {}", choice);
    }
  }
}

}  // namespace prunenet
