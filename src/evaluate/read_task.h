// From a file or folder to the questions of a task.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "evaluate/question.h"

namespace prunenet {

/// Reads every question of `task` in `path`: a file (plain or gzip), or for MMLU the folder above its splits. Throws
/// kNotFound; kFormat, naming file, line and field, for a line that is no question; kMismatch for the questions of
/// another task.
TaskData read_task(Task task, const std::filesystem::path& path);

struct FoundData {
  std::map<Task, std::filesystem::path> paths;
  std::vector<std::string> passed_over;  // "FILE: why", for files of questions that are not used
};

/// Looks for the data of `tasks` in a folder and two levels below, by content. Where a task has files of several
/// splits, the one that is usually reported is taken: test for ARC, else validation (dev). The two ARC tasks are told
/// apart by "easy" or "challenge" in the path. Throws kMismatch, naming both, when two files could be meant.
FoundData find_task_data(const std::filesystem::path& folder, const std::set<Task>& tasks);

/// Puts `shots` worked examples before every question: those of data.examples (or, where the file brings its own,
/// those), in their order, leaving out the question itself; and the description above them. Throws kBadOption when
/// there are not as many.
void add_shots(TaskData& data, int64_t shots);

/// The first `limit` questions (of each group); 0: all.
void limit_questions(TaskData& data, int64_t limit);

}  // namespace prunenet
