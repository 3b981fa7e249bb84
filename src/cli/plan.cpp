// prunenet plan: what a prune would reach and cost.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/staging_folder.h"
#include "cli/cost_output.h"
#include "cli/format.h"
#include "cli/gguf_output.h"
#include "cli/gguf_type.h"
#include "cli/plan_output.h"
#include "cli/prune_model.h"
#include "policy/prunenet_scorer.h"

namespace prunenet::cli {
namespace {

// Why there is no such device here; nothing where there is.
std::optional<std::string> missing_device(const PruneOptions& options) {
  try {
    open_accelerator(options.device, options.usable_threads());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported && error.code() != ErrorCode::kNotFound) throw;
    return error.what();
  }
  return std::nullopt;
}

// What is there already and would not be replaced; other errors are thrown.
template <typename Check>
std::optional<std::string> what_is_there(const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kExists) throw;
    return error.what();
  }
  return std::nullopt;
}

// What prune would refuse as things stand: somebody may remove a file, or run it elsewhere, before they start it.
std::vector<std::string> refusals(const PruneOptions& options, const OpenModel& open, Progress& progress) {
  std::vector<std::string> found;
  const auto add = [&](const std::optional<std::string>& words) {
    if (words) found.push_back(*words);
    return words.has_value();
  };
  add(missing_device(options));
  const bool may_go_on =
      !options.restart && !options.output.empty() && is_there(journal_path(resolved_path(options.output)));
  if (may_go_on)
    progress.note(
        "an unfinished run for this output is there: the same command goes on from it, this plan is of all of it");
  PruneOptions forced = options;
  forced.force = true;
  const auto output = [&](const PruneOptions& asked) {
    return what_is_there([&] { require_prune_possible(asked, open); });
  };
  if (!options.output.empty() && !add(output(forced)) && !may_go_on) add(output(options));
  std::vector<std::string> folders = {options.model};
  if (!options.output.empty()) folders.push_back(options.output);
  add(what_is_there([&] { require_report_possible(options.report, options.force || may_go_on, folders); }));
  return found;
}

// What prune asks of options, and the files that it reads, before it begins. Throws what it throws; a mask is read with
// the sizes.
void require_inputs(const PruneOptions& options, const OpenModel& open) {
  if (options.is_self()) calibration_identity(options.self, options.selection, open);
  if (!options.selection.policy.empty()) {
    const PolicyFile policy = load_policy(options.selection.policy);
    CheckpointLayers<float> layers(open.checkpoint, open.model);
    prunenet_scorer(policy.network, layers, PolicySelect::kTop, options.selection.seed);  // throws for another width
  }
  require_self_possible(options, open);
}

void plan(const PruneOptions& options) {
  const auto progress = make_progress(options);
  const OpenModel open(options.model);
  require_inputs(options, open);
  PlannedCut cut = planned_cut(options.selection, options.self, open, *progress);
  Outlook outlook;
  outlook.refusals = refusals(options, open, *progress);
  prepare_linear_algebra(options, *progress);
  const CostRequest request = request_of_prune(options, open, cut);
  if (request.to_gguf) cut.change.after.bytes = request.gguf_tensor_bytes;
  const CostEstimate cost = estimate_cost(request, *progress);
  outlook.fit = check_fit(request);
  outlook.lighter = lighter_choices(request);
  if (options.json) {
    Json json = {{"model", open.name()}, {"ratio", asked_ratio_json(options.selection)}};
    json.update(size_json(cut.change));
    json["kept_widths"] = cut.left_widths;
    json.update(cost_json(cost, outlook));
    print_json(json);
    return;
  }
  fmt::print("{}: {} model, {} layers\n", open.name(), open.model.family, open.model.layers.size());
  print_sizes(cut.change, open, cut.left_widths);
  if (options.self.layers == 0 && options.self.allocate == "uniform") {
    print_ratio(options.selection, used_width_multiple(options.selection, options.self, options.is_self(), open),
                cut.change);
  }
  if (options.self.allocate == "adaptive") {
    fmt::print("  {:<16} the same number of neurons, shared out by measuring{}\n", "adaptive",
               options.self.pad ? "; padded to the widest layer, the files are larger than said here" : "");
  }
  print_cost(cost, outlook);
}

}  // namespace

void add_plan(CLI::App& program, Action& action) {
  auto options = std::make_shared<PruneOptions>();
  CLI::App* verb = program.add_subcommand("plan", "Say what a prune would reach and cost");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  add_choice_options(*verb, *options);
  verb->add_option("-o,--output", options->output,
                   "Where the output would go: its disk is measured, what is there is told, and a name that ends with "
                   ".gguf plans a GGUF file");
  verb->add_option("--type", options->type, "Of a GGUF output from a folder: type of the matrices")
      ->check(gguf_type_names());
  verb->add_flag("--no-vocabulary", options->no_vocabulary, "Of a GGUF output from a folder: without tokenizer");
  verb->add_option("--report", options->report, "Count what the report of prune takes; nothing is written");
  add_shard_option(*verb, *options);
  verb->add_flag("--phases", options->phases, "Count what the --phases of prune takes");
  verb->add_flag("--force", options->force, "An output or report that is there would be replaced");
  verb->add_flag("--restart", options->restart, "Plan a run that begins anew, whatever an unfinished one has kept");
  add_engine_choices(*verb, *options);
  verb->footer(
      "Takes the options of prune and writes nothing. A training of prunenet train takes what --method prunenet says\n"
      "up to 'keeping its state'. Reads the files that prune would read, and fails where it would. A run that does "
      "not\n"
      "fit, or that prune would refuse as things stand, is no failure: the exit status is 0, the table says so, and "
      "so\n"
      "do \"fits\", \"would_fit\" and \"refusals\" of --json.\n"
      "Examples:\n"
      "  prunenet plan ./Llama-2-7b-hf --ratio 0.3\n"
      "  prunenet plan ./Llama-2-7b-hf --ratio 0.3 -o small.gguf --type q8_0");
  verb->callback([options, verb, &action] {
    check_prune_options(*verb, *options);
    if (options->self.ratio_total)
      fail(ErrorCode::kBadOption, "--ratio-total",
           "finds its mix by measuring the model cut in many ways, and what that takes depends on what it finds: about "
           "a dozen times a plain run of the same --ratio");
    if (options->is_self() && needs_engine(options->self)) let_waiting_threads_sleep();  // as prune does
    action = [options] { plan(*options); };
  });
}

}  // namespace prunenet::cli
