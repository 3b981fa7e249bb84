// MMLU as its authors distribute it: one CSV file a subject and split, without a header: question, A, B, C, D, letter.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "evaluate/csv.h"
#include "evaluate/layouts.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTestEnd = "_test.csv";
constexpr std::string_view kLetters = "ABCD";

Question question_of(const CsvRow& row, const std::string& subject, const std::string& where) {
  if (row.fields.size() != 6) {
    fail(ErrorCode::kFormat, where, "expected 6 fields (question, A, B, C, D, letter), found {}", row.fields.size());
  }
  const std::string_view letter = strip(row.fields[5]);
  const size_t gold = letter.size() == 1 ? kLetters.find(letter[0]) : kLetters.npos;
  if (gold == kLetters.npos) fail(ErrorCode::kFormat, where, "the answer must be A, B, C or D, found '{}'", letter);
  Question question;
  std::string context(strip(row.fields[0]));
  for (size_t i = 0; i < kLetters.size(); ++i) {
    context += fmt::format("\n{}. {}", kLetters[i], row.fields[i + 1]);
    question.continuations.emplace_back(1, kLetters[i]);
  }
  question.contexts = {context + "\nAnswer:"};
  question.gold = gold;
  question.group = subject;
  question.where = where;
  return question;
}

std::vector<Question> read_subject(const fs::path& path, const std::string& subject, TaskData& data, Sha256& hash) {
  std::vector<Question> questions;
  const std::string text = read_data_file(path, &hash);
  for (const CsvRow& row : parse_csv(text, path.string())) {
    questions.push_back(question_of(row, subject, fmt::format("{}:{}", path.string(), row.line)));
  }
  if (questions.empty()) fail(ErrorCode::kFormat, path.string(), "holds no question");
  data.files.push_back(path.string());
  return questions;
}

std::vector<fs::path> test_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder / "test", error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().ends_with(kTestEnd)) files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool is_mmlu_folder(const fs::path& folder) {
  return !test_files(folder).empty();
}

void read_mmlu(const fs::path& path, TaskData& data, Sha256& hash) {
  const bool is_folder = fs::is_directory(path);
  const std::vector<fs::path> files = is_folder ? test_files(path) : std::vector<fs::path>{path};
  if (files.empty()) fail(ErrorCode::kNotFound, path.string(), "holds no test/SUBJECT_test.csv");
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (!name.ends_with(kTestEnd))
      fail(ErrorCode::kFormat, file.string(), "the name does not say the subject: expected SUBJECT_test.csv");
    const std::string subject = name.substr(0, name.size() - kTestEnd.size());
    auto questions = read_subject(file, subject, data, hash);
    data.questions.insert(data.questions.end(), std::move_iterator(questions.begin()),
                          std::move_iterator(questions.end()));
    data.descriptions[subject] = fmt::format("The following are multiple choice questions (with answers) about {}.\n\n",
                                             replaced(subject, "_", " "));
    const fs::path examples = file.parent_path().parent_path() / "dev" / (subject + "_dev.csv");
    if (fs::exists(examples)) data.examples[subject] = read_subject(examples, subject, data, hash);
  }
  data.layout = "csv";
}

}  // namespace prunenet
