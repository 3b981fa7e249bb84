// Looking through a folder for the data of the tasks.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "evaluate/layouts.h"
#include "evaluate/read_task.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 2;
constexpr size_t kMaxFiles = 100000;
constexpr uint64_t kStartBytes = 1 << 20;  // the first line of every known layout is far shorter

struct Walk {
  std::vector<fs::path> files, mmlu_folders;
};

void walk(const fs::path& folder, int depth, Walk& found) {
  if (is_mmlu_folder(folder)) {
    found.mmlu_folders.push_back(folder);
    return;  // its CSV files are no questions of other tasks
  }
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder, fs::directory_options::skip_permission_denied)) {
    if (entry.path().filename().string().starts_with('.')) continue;
    if (entry.is_directory() && !entry.is_symlink()) folders.push_back(entry.path());
    if (entry.is_regular_file()) found.files.push_back(entry.path());
    if (found.files.size() > kMaxFiles)
      fail(ErrorCode::kBadOption, folder.string(), "more than {} files; name the folder of the data itself", kMaxFiles);
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& inner : folders) {
    if (depth < kMaxDepth) walk(inner, depth + 1, found);
  }
}

// The first line as a record, where the file begins with one.
std::optional<Record> first_record(const fs::path& file) {
  try {
    const std::string start = read_data_start(file, kStartBytes);
    const auto lines = data_lines(start);
    if (lines.empty() || !lines.front().text.starts_with('{')) return std::nullopt;
    return Record(lines.front().text, fmt::format("{}:{}", file.string(), lines.front().number));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kFormat) return std::nullopt;  // no lines of JSON: a file of something else
    throw;
  }
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

// Which of several splits to report: 0 is best; nothing for training data.
std::optional<int> rank_of_split(const fs::path& file, Task task) {
  const std::string name = lower_ascii(file.filename().string());
  const bool is_arc = task == Task::kArcEasy || task == Task::kArcChallenge;
  const bool is_test = has(name, "test"), is_validation = has(name, "val") || has(name, "dev");
  if (has(name, "train")) return std::nullopt;
  if (is_arc || task == Task::kLambada) return is_test ? 0 : is_validation ? 2 : 1;
  return is_validation ? 0 : is_test ? 2 : 1;
}

bool is_that_arc(const fs::path& file, const fs::path& folder, Task task) {
  if (task != Task::kArcEasy && task != Task::kArcChallenge) return true;
  const std::string path = lower_ascii(fs::relative(file, folder).string());
  return has(path, task == Task::kArcEasy ? "easy" : "challenge");
}

// A line whose only field of note is 'text' may be anything: LAMBADA is then believed by its name alone.
bool might_be(Layout layout, const Record& record, Task task, const fs::path& file) {
  if (layout == Layout::kLambada && !has(lower_ascii(file.filename().string()), "lambada")) return false;
  try {
    return may_hold(layout, record, task);
  } catch (const Error&) {
    return false;  // a damaged line: no questions that could be read
  }
}

struct Candidate {
  fs::path path;
  int rank = 0;
};

void choose(Task task, std::vector<Candidate> candidates, FoundData& found) {
  if (candidates.empty()) return;
  std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  if (candidates.size() > 1 && candidates[0].rank == candidates[1].rank) {
    fail(ErrorCode::kMismatch, candidates[0].path.string(),
         "holds questions of {}, and so does {}; name the one that is meant with --data", task_info(task).name,
         candidates[1].path.string());
  }
  found.paths[task] = candidates[0].path;
  for (size_t i = 1; i < candidates.size(); ++i) {
    found.passed_over.push_back(
        fmt::format("{}: another split of {}", candidates[i].path.string(), task_info(task).name));
  }
}

}  // namespace

FoundData find_task_data(const fs::path& folder, const std::set<Task>& tasks) {
  if (!fs::is_directory(folder)) fail(ErrorCode::kNotFound, folder.string(), "no such folder");
  Walk seen;
  walk(folder, 0, seen);
  std::sort(seen.files.begin(), seen.files.end());
  FoundData found;
  std::map<Task, std::vector<Candidate>> candidates;
  for (const fs::path& file : seen.files) {
    const auto record = first_record(file);
    const auto layout = record ? layout_of(*record) : std::nullopt;
    if (!layout) continue;
    bool used = false, is_training = false;
    for (const Task task : tasks) {
      if (!might_be(*layout, *record, task, file) || !is_that_arc(file, folder, task)) continue;
      const auto rank = rank_of_split(file, task);
      is_training = is_training || !rank;
      if (rank) candidates[task].push_back({file, *rank});
      used = used || rank;
    }
    if (is_training) found.passed_over.push_back(file.string() + ": training data by its name");
    const bool wants_arc = tasks.contains(Task::kArcEasy) || tasks.contains(Task::kArcChallenge);
    if (!used && !is_training && wants_arc && might_be(*layout, *record, Task::kArcEasy, file)) {
      found.passed_over.push_back(file.string() + ": ARC, but the path says neither 'easy' nor 'challenge'");
    }
  }
  for (auto& [task, list] : candidates) choose(task, std::move(list), found);
  if (tasks.contains(Task::kMmlu)) {
    std::vector<Candidate> folders;
    for (const fs::path& path : seen.mmlu_folders) folders.push_back({path, 0});
    choose(Task::kMmlu, std::move(folders), found);
  }
  return found;
}

}  // namespace prunenet
