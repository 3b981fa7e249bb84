// The tasks, and their questions in the one shape that all of them share: texts whose log-likelihoods are compared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet {

enum class Task { kPiqa, kWinogrande, kHellaswag, kArcEasy, kArcChallenge, kMmlu, kLambada };

struct TaskInfo {
  Task task;
  std::string_view name;   // as the command line calls it
  bool has_acc_norm;       // choices of unequal length, of which lm-evaluation-harness reports acc_norm
  std::string_view about;  // one line
};

/// All tasks, in the order in which they are run and listed.
const std::vector<TaskInfo>& all_tasks();
const TaskInfo& task_info(Task task);
std::optional<Task> task_from_name(std::string_view name);

/// One question. What is scored is contexts[i] + " " + continuations[i]: the log-likelihood of what follows the
/// context. Either list may have one entry, which then stands for all choices: WinoGrande has one continuation, the
/// others one context. LAMBADA has one of each and no `gold`: right is what greedy decoding would write.
struct Question {
  std::vector<std::string> contexts;
  std::vector<std::string> continuations;
  std::optional<size_t> gold;  // the right choice, from 0
  std::string group;           // MMLU: the subject
  std::string where;           // "valid.jsonl:17", for errors and the list of items

  size_t num_choices() const { return std::max(contexts.size(), continuations.size()); }
  const std::string& context(size_t choice) const { return contexts.size() == 1 ? contexts[0] : contexts[choice]; }
  const std::string& continuation(size_t choice) const {
    return continuations.size() == 1 ? continuations[0] : continuations[choice];
  }
};

/// What a reader found: the questions of a task, and what may stand before them.
struct TaskData {
  Task task = Task::kPiqa;
  std::vector<Question> questions;
  std::string layout;                                     // "llm-foundry", "original", ...: for people
  std::vector<std::string> files;                         // read
  std::string sha256;                                     // of those files, one after the other
  std::map<std::string, std::vector<Question>> examples;  // worked examples by group, in the order of their file
  std::map<std::string, std::string> descriptions;        // the line above all examples, by group
  std::vector<std::string> given_shots;                   // worked examples as the file holds them, one text a question
  int64_t num_given_shots = 0;                            // how many worked examples each of those texts holds
};

}  // namespace prunenet
