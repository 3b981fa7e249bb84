// Reading files of questions, and what may stand before a question.
#include "evaluate/read_task.h"

#include <fmt/format.h>

#include "base/error.h"
#include "evaluate/layouts.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

// valid.jsonl has its labels in valid-labels.lst.
fs::path labels_path(const fs::path& questions) {
  fs::path path = questions;
  return path.replace_filename(questions.stem().string() + "-labels.lst");
}

void read_piqa_file(const std::vector<DataLine>& lines, const fs::path& path, TaskData& data, Sha256& hash) {
  const std::string file = path.string();
  const bool has_label = Record(lines.front().text, fmt::format("{}:{}", file, lines.front().number)).has("label");
  std::string labels_text;
  std::vector<DataLine> labels;
  const fs::path labels_file = labels_path(path);
  if (!has_label) {
    if (!fs::exists(labels_file)) {
      fail(ErrorCode::kNotFound, labels_file.string(),
           "no such file: the lines of {} have no 'label', so PIQA's labels must lie here", file);
    }
    labels_text = read_data_file(labels_file, &hash);
    labels = data_lines(labels_text);
    data.files.push_back(labels_file.string());
    if (labels.size() != lines.size()) {
      fail(ErrorCode::kMismatch, labels_file.string(), "{} labels for the {} questions of {}", labels.size(),
           lines.size(), file);
    }
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const Record record(lines[i].text, fmt::format("{}:{}", file, lines[i].number));
    const auto label = has_label ? std::nullopt : std::optional(labels[i].text);
    data.questions.push_back(
        read_piqa(record, label, has_label ? "" : fmt::format("{}:{}", labels_file.string(), labels[i].number)));
  }
}

Layout layout_for(Task task, const Record& first) {
  const auto layout = layout_of(first);
  if (!layout) {
    fail(ErrorCode::kFormat, first.where(), "no known layout of {} has these fields: {}", task_info(task).name,
         first.keys());
  }
  if (!may_hold(*layout, first, task)) {
    fail(ErrorCode::kMismatch, first.where(), "expected questions of {}, found {}", task_info(task).name,
         questions_of(*layout, first));
  }
  return *layout;
}

void read_lines(Task task, Layout layout, const std::vector<DataLine>& lines, const std::string& file, TaskData& data) {
  for (const DataLine& line : lines) {
    const Record record(line.text, fmt::format("{}:{}", file, line.number));
    if (layout == Layout::kFoundryChoices && !may_hold(layout, record, task)) {
      fail(ErrorCode::kMismatch, record.where(), "expected a question of {}, as on the lines before, found {}",
           task_info(task).name, questions_of(layout, record));
    }
    data.questions.push_back(read_question(layout, record));
  }
}

void read_json_lines(Task task, const fs::path& path, TaskData& data, Sha256& hash) {
  const std::string text = read_data_file(path, &hash);
  const std::vector<DataLine> lines = data_lines(text);
  if (lines.empty()) fail(ErrorCode::kFormat, path.string(), "holds no question: the file is empty");
  data.files.push_back(path.string());
  const Layout layout =
      layout_for(task, Record(lines.front().text, fmt::format("{}:{}", path.string(), lines.front().number)));
  data.layout = layout_name(layout);
  if (layout == Layout::kPiqa) {
    read_piqa_file(lines, path, data, hash);
  } else if (layout == Layout::kOlmoRequests) {
    read_olmo_requests(lines, path.string(), data);
  } else {
    read_lines(task, layout, lines, path.string(), data);
  }
}

std::string worked(const Question& example) {
  const size_t right = example.gold.value_or(0);
  return example.context(right) + " " + example.continuation(right) + "\n\n";
}

bool same(const Question& a, const Question& b) {
  return a.contexts == b.contexts && a.continuations == b.continuations;
}

std::string shots_before(const Question& question, const std::vector<Question>& examples, int64_t shots) {
  std::string text;
  int64_t taken = 0;
  for (const Question& example : examples) {
    if (taken == shots) break;
    if (same(example, question)) continue;
    text += worked(example);
    ++taken;
  }
  if (taken < shots) {
    fail(ErrorCode::kBadOption, "--shots", "{} worked examples were asked for, but there are only {} for {}", shots,
         taken, question.where);
  }
  return text;
}

}  // namespace

TaskData read_task(Task task, const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorCode::kNotFound, path.string(), "no such file or folder");
  // The two ARC tasks look alike; a file that says which it is in its name is believed.
  const auto named = [&](std::string_view part) {
    return lower_ascii(path.filename().string()).find(part) != std::string::npos;
  };
  if ((task == Task::kArcEasy && named("challenge") && !named("easy")) ||
      (task == Task::kArcChallenge && named("easy") && !named("challenge"))) {
    fail(ErrorCode::kMismatch, path.string(), "expected questions of {}; by its name the file holds the other ARC task",
         task_info(task).name);
  }
  TaskData data;
  data.task = task;
  Sha256 hash;
  if (task == Task::kMmlu) {
    read_mmlu(path, data, hash);
  } else {
    read_json_lines(task, path, data, hash);
  }
  if (data.questions.empty()) fail(ErrorCode::kFormat, path.string(), "holds no question");
  data.sha256 = hash.hex_digest();
  return data;
}

void add_shots(TaskData& data, int64_t shots) {
  const std::string name(task_info(data.task).name);
  const bool own = data.num_given_shots > 0 && shots == data.num_given_shots && data.examples.empty();
  if (shots > 0 && !own && data.examples.empty()) {
    if (data.num_given_shots > 0) {
      fail(ErrorCode::kBadOption, "--shots",
           "the file of {} brings {} worked examples for each question: --shots must be 0 or {} (or name others with "
           "--shots-data)",
           name, data.num_given_shots, data.num_given_shots);
    }
    fail(ErrorCode::kBadOption, "--shots",
         "the data of {} has no worked examples; --shots-data FILE names a file of the same task that has", name);
  }
  static const std::vector<Question> kNone;
  for (size_t i = 0; i < data.questions.size(); ++i) {
    Question& question = data.questions[i];
    const auto description = data.descriptions.find(question.group);
    const auto examples = data.examples.find(question.group);
    std::string before = description == data.descriptions.end() ? "" : description->second;
    before += own ? data.given_shots[i]
                  : shots_before(question, examples == data.examples.end() ? kNone : examples->second, shots);
    if (before.empty()) continue;
    for (std::string& context : question.contexts) context.insert(0, before);
  }
}

void limit_questions(TaskData& data, int64_t limit) {
  if (limit <= 0) return;
  std::map<std::string, int64_t> taken;
  std::vector<Question> questions;
  std::vector<std::string> given_shots;
  for (size_t i = 0; i < data.questions.size(); ++i) {
    if (taken[data.questions[i].group]++ >= limit) continue;
    questions.push_back(std::move(data.questions[i]));
    if (!data.given_shots.empty()) given_shots.push_back(std::move(data.given_shots[i]));
  }
  data.questions = std::move(questions);
  data.given_shots = std::move(given_shots);
}

}  // namespace prunenet
