// Telling the layouts apart, and the readers of those with one question a line.
#include "evaluate/layouts.h"

#include "base/error.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

bool asks_a_question(const Record& record) {
  return record.has("query") && record.text("query").starts_with("Question: ");
}

// As lm-evaluation-harness prepares HellaSwag: the brackets are left over from WikiHow's headings.
std::string without_brackets(std::string_view text) {
  std::string result = replaced(std::string(strip(text)), " [title]", ". ");
  for (size_t open = result.find('['); open != result.npos; open = result.find('[', open)) {
    const size_t close = result.find_first_of("]\n", open);  // a bracket never spans lines
    if (close == result.npos) break;
    if (result[close] == ']') {
      result.erase(open, close + 1 - open);
    } else {
      ++open;
    }
  }
  return replaced(std::move(result), "  ", " ");
}

void require_choices(const std::vector<std::string>& choices, const Record& record) {
  if (choices.size() < 2) fail(ErrorCode::kFormat, record.where(), "{} choices, at least 2 are needed", choices.size());
  for (const std::string& choice : choices) {
    if (choice.empty()) fail(ErrorCode::kFormat, record.where(), "a choice is empty");
  }
}

Question foundry_choices(const Record& record) {
  Question question;
  const std::string query = record.text("query");
  question.contexts = {query.starts_with("Question: ") ? std::string(strip_end(query)) + "\nAnswer:" : query};
  question.continuations = record.texts("choices");
  require_choices(question.continuations, record);
  question.gold = record.index("gold", question.continuations.size());
  return question;
}

Question foundry_winogrande(const Record& record) {
  Question question;
  question.contexts = record.texts("context_options");
  require_choices(question.contexts, record);
  question.continuations = {record.text("continuation")};
  question.gold = record.index("gold", question.contexts.size());
  return question;
}

Question winogrande(const Record& record) {
  const std::string sentence = record.text("sentence");
  const size_t blank = sentence.find('_');
  if (blank == sentence.npos) fail(ErrorCode::kFormat, record.where(), "'sentence' has no '_' to be filled");
  Question question;
  for (const char* option : {"option1", "option2"})
    question.contexts.push_back(sentence.substr(0, blank) + record.text(option));
  question.continuations = {std::string(strip(std::string_view(sentence).substr(blank + 1)))};
  const int64_t answer = record.integer("answer");
  if (answer != 1 && answer != 2) fail(ErrorCode::kFormat, record.where(), "'answer' must be 1 or 2, found {}", answer);
  question.gold = static_cast<size_t>(answer - 1);
  return question;
}

Question hellaswag(const Record& record) {
  Question question;
  const std::string context = record.text("ctx_a") + " " + capitalised(record.text("ctx_b"));
  question.contexts = {without_brackets(record.text("activity_label") + ": " + context)};
  for (const std::string& ending : record.texts("endings")) question.continuations.push_back(without_brackets(ending));
  require_choices(question.continuations, record);
  question.gold = record.index("label", question.continuations.size());
  return question;
}

Question arc(const Record& record) {
  const Record inner = record.object("question");
  Question question;
  question.contexts = {"Question: " + inner.text("stem") + "\nAnswer:"};
  const std::string answer = record.text("answerKey");
  for (const Record& choice : inner.objects("choices")) {
    if (choice.text("label") == answer) question.gold = question.continuations.size();
    question.continuations.push_back(choice.text("text"));
  }
  require_choices(question.continuations, record);
  if (!question.gold)
    fail(ErrorCode::kFormat, record.where(), "'answerKey' is '{}', which is the label of no choice", answer);
  return question;
}

Question passage(const Record& record, std::string context, std::string last_word) {
  if (strip(context).empty() || strip(last_word).empty()) {
    fail(ErrorCode::kFormat, record.where(), "a passage needs a last word and something before it");
  }
  Question question;
  question.contexts = {std::move(context)};
  question.continuations = {std::move(last_word)};
  return question;
}

Question lambada(const Record& record) {
  const std::string text = record.text("text");
  const size_t blank = text.rfind(' ');
  if (blank == text.npos) fail(ErrorCode::kFormat, record.where(), "'text' has only one word");
  return passage(record, text.substr(0, blank), text.substr(blank + 1));
}

Question read_line(Layout layout, const Record& record) {
  switch (layout) {
    case Layout::kFoundryChoices:
      return foundry_choices(record);
    case Layout::kFoundryWinogrande:
      return foundry_winogrande(record);
    case Layout::kFoundryLambada:
      return passage(record, record.text("context"), record.text("continuation"));
    case Layout::kPiqa:
      return read_piqa(record, std::nullopt, "");
    case Layout::kWinogrande:
      return winogrande(record);
    case Layout::kHellaswag:
      return hellaswag(record);
    case Layout::kArc:
      return arc(record);
    case Layout::kLambada:
      return lambada(record);
    case Layout::kOlmoRequests:
      break;
  }
  fail(ErrorCode::kInternal, record.where(), "requests are read several lines at once");
}

}  // namespace

Question read_piqa(const Record& record, std::optional<std::string_view> label, const std::string& label_where) {
  Question question;
  question.contexts = {"Question: " + record.text("goal") + "\nAnswer:"};
  question.continuations = {record.text("sol1"), record.text("sol2")};
  require_choices(question.continuations, record);
  question.where = record.where();
  if (!label) {
    question.gold = record.index("label", 2);
    return question;
  }
  const std::string_view digit = strip(*label);
  if (digit != "0" && digit != "1") fail(ErrorCode::kFormat, label_where, "a label must be 0 or 1, found '{}'", digit);
  question.gold = digit == "1" ? 1 : 0;
  return question;
}

std::optional<Layout> layout_of(const Record& record) {
  if (record.has("request") || record.has("request_type")) return Layout::kOlmoRequests;
  if (record.has("goal")) return Layout::kPiqa;
  if (record.has("option1") || record.has("sentence")) return Layout::kWinogrande;
  if (record.has("endings") || record.has("ctx_a")) return Layout::kHellaswag;
  if (record.has("answerKey") || record.is_object("question")) return Layout::kArc;
  if (record.has("context_options")) return Layout::kFoundryWinogrande;
  if (record.has("query")) return Layout::kFoundryChoices;
  if (record.has("context") && record.has("continuation")) return Layout::kFoundryLambada;
  if (record.has("text")) return Layout::kLambada;
  return std::nullopt;
}

std::string_view layout_name(Layout layout) {
  switch (layout) {
    case Layout::kFoundryChoices:
    case Layout::kFoundryWinogrande:
    case Layout::kFoundryLambada:
      return "llm-foundry";
    case Layout::kOlmoRequests:
      return "log-likelihood requests";
    default:
      return "original";
  }
}

bool may_hold(Layout layout, const Record& first, Task task) {
  const bool is_arc = task == Task::kArcEasy || task == Task::kArcChallenge;
  switch (layout) {
    case Layout::kFoundryChoices: {
      if (!asks_a_question(first)) return task == Task::kHellaswag;
      return first.texts("choices").size() == 2 ? task == Task::kPiqa : is_arc;
    }
    case Layout::kFoundryWinogrande:
    case Layout::kWinogrande:
      return task == Task::kWinogrande;
    case Layout::kFoundryLambada:
    case Layout::kLambada:
      return task == Task::kLambada;
    case Layout::kPiqa:
      return task == Task::kPiqa;
    case Layout::kHellaswag:
    case Layout::kOlmoRequests:
      return task == Task::kHellaswag;
    case Layout::kArc:
      return is_arc;
  }
  return false;
}

std::string questions_of(Layout layout, const Record& first) {
  for (const TaskInfo& info : all_tasks()) {
    if (!may_hold(layout, first, info.task)) continue;
    return info.task == Task::kArcEasy ? "questions of arc_easy or arc_challenge"
                                       : "questions of " + std::string(info.name);
  }
  return "questions of another task";
}

Question read_question(Layout layout, const Record& record) {
  Question question = read_line(layout, record);
  question.where = record.where();
  return question;
}

}  // namespace prunenet
