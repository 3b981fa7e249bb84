// prunenet eval: perplexity of a text, and the multiple-choice tasks.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "checkpoint/fingerprint.h"
#include "cli/eval_output.h"
#include "convert/vocabulary.h"
#include "engine/load.h"
#include "evaluate/data_file.h"
#include "evaluate/fingerprint.h"
#include "evaluate/read_task.h"

namespace prunenet::cli {
namespace {

BosRule bos_rule(const EvalOptions& options) {
  return options.bos == "always" ? BosRule::kAlways : options.bos == "never" ? BosRule::kNever : BosRule::kAuto;
}

BatchOptions batch_options(const EvalOptions& options) {
  BatchOptions batches;
  batches.requests = options.batch;
  if (options.device != "cpu") batches.ids = 32768;  // a GPU is idle with less
  return batches;
}

// The journal of --resume, or none. Everything that the scores depend on is part of its identity.
std::unique_ptr<Journal> open_journal(const EvalOptions& options, const OpenModel& open, RunIdentity data,
                                      Progress& progress) {
  if (options.resume.empty()) return nullptr;
  if (is_within(resolved_path(options.resume), resolved_path(options.model))) {
    fail(ErrorCode::kBadOption, options.resume, "the journal would lie in the checkpoint folder '{}'; put it beside",
         options.model);
  }
  RunIdentity identity{{"version", PRUNENET_VERSION},
                       {"model", model_fingerprint(open.checkpoint)},
                       {"tokenizer", open.checkpoint.gguf() != nullptr ? open.checkpoint.header_hash()
                                                                    : tokenizer_fingerprint(open.checkpoint.folder())},
                       {"--task", options.task},
                       {"--dtype", options.dtype},
                       {"--device", options.device},
                       {"--batch", std::to_string(options.batch)},
                       {"--limit", std::to_string(options.limit)},
                       {"--bos", options.bos},
                       {"--parse-special", options.parse_special ? "yes" : "no"}};
  identity.insert(identity.end(), data.begin(), data.end());
  auto journal = std::make_unique<Journal>(options.resume, identity);
  if (journal->num_batches() > 0)
    progress.note(fmt::format("{} finished batches are in {}", journal->num_batches(), options.resume));
  return journal;
}

std::vector<RequestScore> scored(Engine& engine, const RequestList& list, const EvalOptions& options, Journal* journal,
                                 Progress& progress) {
  try {
    return score_requests(engine, list, batch_options(options), journal, progress);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    if (journal == nullptr)
      fail(ErrorCode::kCancelled, "", "interrupted; with --resume FILE the work so far would have been kept");
    fail(ErrorCode::kCancelled, options.resume,
         "interrupted; what is finished is in this file, and the same command goes on from there");
  }
}

void write_items(const EvalOptions& options, const std::string& text) {
  if (!options.items.empty()) write_file_atomically(options.items, text, options.force);
}

void evaluate_text(const EvalOptions& options, const OpenModel& open, const TextEncoder& encoder, Progress& progress) {
  Sha256 hash;
  const std::string text = read_data_file(options.data, &hash);
  PerplexityOptions windows = options.perplexity;
  windows.limit = options.limit;
  const PerplexityPlan plan = plan_perplexity(text, options.data, encoder, windows);
  if (plan.num_skipped_documents > 0) {
    progress.warn(
        fmt::format("{} documents have no token that could be scored, and were left out", plan.num_skipped_documents));
  }
  const auto journal = open_journal(options, open,
                                    {{"data", hash.hex_digest()},
                                     {"--window", std::to_string(plan.window)},
                                     {"--stride", std::to_string(plan.stride)},
                                     {"--separator", windows.separator},
                                     {"--max-tokens-per-document", std::to_string(windows.max_tokens_per_document)}},
                                    progress);
  const auto engine = open_engine(open, options, progress);
  const RequestList list = plan.requests();
  progress.begin("scoring", num_ids(list));
  const auto scores = scored(*engine, list, options, journal.get(), progress);
  progress.end();
  const PerplexityResult result = perplexity_of(plan, scores);
  write_items(options, window_items(plan, scores));
  if (options.json) {
    print_json(perplexity_json(options, plan, result));
  } else {
    print_perplexity(options, open.name(), plan, result);
  }
}

struct Sources {
  std::map<Task, std::filesystem::path> paths;
  std::vector<std::string> missing;
};

// Which file or folder each task is read from.
Sources find_sources(const EvalOptions& options, Progress& progress) {
  const std::vector<Task> tasks = wanted_tasks(options);
  const std::filesystem::path data = options.data;
  Sources sources;
  if (!std::filesystem::is_directory(data)) {
    if (tasks.size() > 1)
      fail(ErrorCode::kBadOption, options.data, "several tasks need a folder to look in, and this is none");
    sources.paths[tasks[0]] = data;
    return sources;
  }
  FoundData found = find_task_data(data, {tasks.begin(), tasks.end()});
  for (const std::string& file : found.passed_over) progress.note("left out " + file);
  sources.paths = std::move(found.paths);
  for (const Task task : tasks) {
    if (!sources.paths.contains(task)) sources.missing.emplace_back(task_info(task).name);
  }
  if (sources.paths.empty() || (!options.wants_all() && !sources.missing.empty())) {
    fail(ErrorCode::kNotFound, options.data, "no data of {} in this folder or two levels below",
         fmt::join(sources.missing, ", "));
  }
  if (!sources.missing.empty()) progress.note(fmt::format("no data of {}", fmt::join(sources.missing, ", ")));
  return sources;
}

TaskData read_questions(const EvalOptions& options, Task task, const std::filesystem::path& path) {
  TaskData data = read_task(task, path);
  if (!options.shots_data.empty()) {
    TaskData examples = read_task(task, options.shots_data);
    data.sha256 += " " + examples.sha256;
    data.examples[""] = std::move(examples.questions);
  }
  limit_questions(data, options.limit);
  add_shots(data, options.shots);
  return data;
}

std::vector<TaskRun> prepare(const EvalOptions& options, const Sources& sources, const TextEncoder& encoder,
                             Progress& progress) {
  std::vector<TaskRun> runs;
  for (const auto& [task, path] : sources.paths) {
    TaskRun run;
    run.data = read_questions(options, task, path);
    run.requests = make_requests(run.data, encoder);
    progress.note(fmt::format("{}: {} questions in {} ({})", task_info(task).name, run.data.questions.size(),
                              path.string(), run.data.layout));
    if (run.requests.num_cut > 0) {
      progress.warn(fmt::format("{}: {} of {} contexts are longer than the model's {} ids and lost their front",
                                task_info(task).name, run.requests.num_cut, run.requests.requests.size(),
                                encoder.max_context()));
    }
    if (run.requests.num_split > 0) {
      progress.warn(fmt::format("{}: {} continuations alone are longer than that, and were scored in parts",
                                task_info(task).name, run.requests.num_split));
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

void evaluate_tasks(const EvalOptions& options, const OpenModel& open, const TextEncoder& encoder, Progress& progress) {
  const Sources sources = find_sources(options, progress);
  std::vector<TaskRun> runs = prepare(options, sources, encoder, progress);
  RunIdentity identity{{"--shots", std::to_string(options.shots)}};
  double total = 0;
  for (const TaskRun& run : runs) {
    const std::string name(task_info(run.data.task).name);
    identity.emplace_back("data of " + name, run.data.sha256);
    total += num_ids(request_list(name, run.requests.requests));
  }
  const auto journal = open_journal(options, open, std::move(identity), progress);
  const auto engine = open_engine(open, options, progress);
  progress.begin("scoring", total);
  for (TaskRun& run : runs) {
    const RequestList list = request_list(std::string(task_info(run.data.task).name), run.requests.requests);
    run.scores = scored(*engine, list, options, journal.get(), progress);
    run.result = judge(run.data, run.requests, run.scores);
  }
  progress.end();
  write_items(options, task_items(runs));
  if (options.json) {
    print_json(tasks_json(options, runs, sources.missing));
  } else {
    print_tasks(options, open.name(), runs);
  }
}

void eval(const EvalOptions& options) {
  const auto progress = make_progress(options);
  if (!options.items.empty()) {
    require_file_possible(options.items, "list of items", options.force, {options.model},
                          [](std::string_view head) { return head.starts_with("{\"task\":"); });
  }
  require_runtime();
  const OpenModel open(options.model);
  const auto tokenizer = open_tokenizer(open.checkpoint);
  const TextEncoder encoder(
      *tokenizer,
      {.bos = bos_rule(options), .parse_special = options.parse_special, .max_context = open.model.max_context});
  if (options.wants_perplexity()) {
    evaluate_text(options, open, encoder, *progress);
  } else {
    evaluate_tasks(options, open, encoder, *progress);
  }
}

}  // namespace

void add_eval(CLI::App& program, Action& action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = program.add_subcommand(
      "eval", "Perplexity of a text, or scores of PIQA, WinoGrande, HellaSwag, ARC, MMLU and LAMBADA");
  add_eval_options(*verb, *options);
  verb->footer(
      "Examples:\n  prunenet eval ./Llama-2-7b-hf --task perplexity --data wiki.test.txt --window 2048\n"
      "  prunenet eval ./Llama-2-7b-pruned --task all --data ./datasets --resume run.jsonl --json");
  verb->callback([options, verb, &action] {
    check_eval_options(*verb, *options);
    action = [options] { eval(*options); };
  });
}

}  // namespace prunenet::cli
