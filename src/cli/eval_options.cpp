// The options of prunenet eval.
#include "cli/eval_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace prunenet::cli {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names{""};
  for (const char c : list) {
    if (c == ',') {
      names.emplace_back();
    } else {
      names.back() += c;
    }
  }
  return names;
}

std::string known_names() {
  std::string names = "perplexity, all";
  for (const TaskInfo& info : all_tasks()) names += ", " + std::string(info.name);
  return names;
}

void add_text_options(CLI::App& verb, EvalOptions& options) {
  verb.add_option("--window", options.perplexity.window,
                  "perplexity: ids a window, BOS included (default: the model's longest sequence, at most 2048)")
      ->check(CLI::Range(int64_t{2}, kMost));
  verb.add_option("--stride", options.perplexity.stride,
                  "perplexity: tokens from one window's end to the next's; each is scored once (default: the window)")
      ->check(CLI::Range(int64_t{1}, kMost));
  verb.add_option("--separator", options.perplexity.separator,
                  "perplexity: a line that stands between two documents, each of which is scored alone");
  verb.add_option("--max-tokens-per-document", options.perplexity.max_tokens_per_document,
                  "perplexity: keep so many ids of each document, BOS included")
      ->check(CLI::Range(int64_t{2}, kMost));
}

void add_task_options(CLI::App& verb, EvalOptions& options) {
  verb.add_option("--shots", options.shots, "tasks: worked examples before each question")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000}));
  verb.add_option("--shots-data", options.shots_data,
                  "tasks: take the examples from the start of this file of the same task (MMLU has its own)");
}

}  // namespace

void add_eval_options(CLI::App& verb, EvalOptions& options) {
  verb.add_option("MODEL", options.model, "Hugging Face folder or GGUF file, with a tokenizer")->required();
  verb.add_option("--task", options.task, "One, several with commas between, or all: " + known_names())->required();
  verb.add_option("--data", options.data,
                  "perplexity: a UTF-8 text. Tasks: a file of questions, or a folder to look in")
      ->required();
  add_text_options(verb, options);
  add_task_options(verb, options);
  verb.add_option("--limit", options.limit,
                  "Only the first N questions of each task (MMLU: subject); perplexity: documents, or windows without "
                  "--separator. 0: all")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, kMost));
  verb.add_option("--batch", options.batch,
                  "Sequences computed at once; 0: as many as have 4096 ids together (cuda: 32768)")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20));
  verb.add_option("--bos", options.bos, "BOS before each sequence: auto (where the tokenizer adds it), always, never")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "always", "never"}));
  verb.add_flag("--parse-special", options.parse_special,
                "Special tokens written out in the data count as such, not as text");
  verb.add_option("--items", options.items,
                  "Write the result of every question (perplexity: window) to this file, as JSON lines");
  verb.add_option("--resume", options.resume,
                  "Keep finished work in this file; the same command with the same file goes on from there");
  verb.add_flag("--force", options.force, "Overwrite the file of --items");
  add_engine_options(verb, options);
}

std::vector<Task> wanted_tasks(const EvalOptions& options) {
  std::vector<Task> tasks;
  if (options.wants_perplexity()) return tasks;
  const std::vector<std::string> names = split(options.task);
  for (const std::string& name : names) {
    if (name == "perplexity" || (name == "all" && names.size() > 1)) {
      fail(ErrorCode::kBadOption, "--task", "'{}' stands alone, not in a list", name);
    }
    if (name != "all" && !task_from_name(name)) {
      fail(ErrorCode::kBadOption, "--task", "'{}' is no task; known are {}", name, known_names());
    }
  }
  for (const TaskInfo& info : all_tasks()) {
    if (options.wants_all() || std::find(names.begin(), names.end(), info.name) != names.end())
      tasks.push_back(info.task);
  }
  return tasks;
}

void check_eval_options(const CLI::App& verb, const EvalOptions& options) {
  const std::vector<Task> tasks = wanted_tasks(options);
  const auto refuse = [&](std::initializer_list<const char*> names, std::string_view why) {
    for (const char* name : names) {
      if (verb.count(name) > 0) fail(ErrorCode::kBadOption, name, "{}", why);
    }
  };
  if (!options.wants_perplexity()) {
    refuse({"--window", "--stride", "--separator", "--max-tokens-per-document"},
           "is an option of --task perplexity only");
  } else {
    refuse({"--shots", "--shots-data"}, "perplexity takes no worked examples");
    if (options.perplexity.window > 0 && options.perplexity.stride > options.perplexity.window) {
      fail(ErrorCode::kBadOption, "--stride", "{} is more than the window of {}, which would leave tokens out",
           options.perplexity.stride, options.perplexity.window);
    }
  }
  if (!options.shots_data.empty() && (tasks.size() != 1 || tasks[0] == Task::kMmlu)) {
    fail(ErrorCode::kBadOption, "--shots-data",
         "goes with one task, and not with mmlu, which has its examples in dev/");
  }
  if (options.shots_data.empty() && options.shots == 0) return;
  if (options.shots == 0) fail(ErrorCode::kBadOption, "--shots-data", "needs --shots, the number of examples to take");
  for (const Task task : tasks) {
    const bool has_own = task == Task::kMmlu || task == Task::kHellaswag;
    if (options.shots_data.empty() && !has_own) {
      fail(ErrorCode::kBadOption, "--shots",
           "the files of {} hold no worked examples; name a file of its questions with --shots-data",
           task_info(task).name);
    }
  }
}

}  // namespace prunenet::cli
