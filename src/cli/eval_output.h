// What `prunenet eval` says of its results: tables, JSON, and a line for every item.
#pragma once

#include <string>
#include <vector>

#include "cli/eval_options.h"
#include "evaluate/choice_task.h"

namespace prunenet::cli {

/// A task from its data to its results.
struct TaskRun {
  TaskData data;
  TaskRequests requests;
  std::vector<RequestScore> scores;
  TaskResult result;
};

void print_tasks(const EvalOptions& options, const std::string& model, const std::vector<TaskRun>& runs);
void print_perplexity(const EvalOptions& options, const std::string& model, const PerplexityPlan& plan,
                      const PerplexityResult& result);

/// One task: its object. Several: {"results": [object, ...], "missing": [name, ...]}.
Json tasks_json(const EvalOptions& options, const std::vector<TaskRun>& runs, const std::vector<std::string>& missing);
Json perplexity_json(const EvalOptions& options, const PerplexityPlan& plan, const PerplexityResult& result);

/// JSON lines of every question of every task, or of every window.
std::string task_items(const std::vector<TaskRun>& runs);
std::string window_items(const PerplexityPlan& plan, const std::vector<RequestScore>& scores);

}  // namespace prunenet::cli
