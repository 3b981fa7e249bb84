// What `prunenet eval` was asked for, checked as far as the command line alone tells.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/engine_options.h"
#include "evaluate/perplexity.h"
#include "evaluate/question.h"

namespace prunenet::cli {

struct EvalOptions : EngineVerbOptions {
  std::string model, task, data;
  PerplexityOptions perplexity;  // its limit is `limit`
  int64_t limit = 0, shots = 0, batch = 0;
  std::string shots_data, bos = "auto", items, resume;
  bool parse_special = false, force = false;

  bool wants_perplexity() const { return task == "perplexity"; }
  bool wants_all() const { return task == "all"; }
};

/// Adds the verb's options.
void add_eval_options(CLI::App& verb, EvalOptions& options);

/// The tasks of --task, in the order of all_tasks(); empty for perplexity. Throws kBadOption for a name that is no
/// task.
std::vector<Task> wanted_tasks(const EvalOptions& options);

/// Throws kBadOption for options that contradict each other whatever the files hold. `verb` knows which were given.
void check_eval_options(const CLI::App& verb, const EvalOptions& options);

}  // namespace prunenet::cli
