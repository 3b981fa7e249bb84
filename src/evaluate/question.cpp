// The table of tasks.
#include "evaluate/question.h"

#include "base/error.h"

namespace prunenet {

const std::vector<TaskInfo>& all_tasks() {
  static const std::vector<TaskInfo> tasks{
      {Task::kPiqa, "piqa", true, "physical common sense, 2 choices"},
      {Task::kWinogrande, "winogrande", false, "what a pronoun stands for, 2 choices"},
      {Task::kHellaswag, "hellaswag", true, "how a text goes on, 4 choices"},
      {Task::kArcEasy, "arc_easy", true, "school science, 3 to 5 choices"},
      {Task::kArcChallenge, "arc_challenge", true, "the harder part of it"},
      {Task::kMmlu, "mmlu", false, "exams of many subjects, 4 letters to choose from"},
      {Task::kLambada, "lambada", false, "the last word of a passage"},
  };
  return tasks;
}

const TaskInfo& task_info(Task task) {
  for (const TaskInfo& info : all_tasks()) {
    if (info.task == task) return info;
  }
  fail(ErrorCode::kInternal, "", "a task without a row in the table");
}

std::optional<Task> task_from_name(std::string_view name) {
  for (const TaskInfo& info : all_tasks()) {
    if (info.name == name) return info.task;
  }
  return std::nullopt;
}

}  // namespace prunenet
