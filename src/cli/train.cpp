// prunenet train: learn the published policy from a model's weights and save it for later prunes.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/staging_folder.h"
#include "base/system.h"
#include "cli/engine_options.h"
#include "cli/estimate.h"
#include "cli/format.h"
#include "cli/journalled_run.h"
#include "cli/prune_model.h"
#include "cli/training_output.h"
#include "engine/load.h"

namespace prunenet::cli {
namespace {

struct TrainVerbOptions : CommonOptions {
  std::string model, output;
  bool force = false, restart = false;
  SelectionOptions selection;
  TrainingOptions training;
};

// Which run a journal of parts belongs to: as that of prune --method prunenet, which trains likewise.
RunJournal::Identity train_identity(const TrainVerbOptions& options, const OpenModel& open) {
  PruneOptions prune;
  prune.selection = options.selection;
  prune.training = options.training;
  const std::string& device = options.training.device;
  Json said = {{"seed", options.selection.seed}, {"device", device.substr(0, device.find(':'))}};
  said.update(options_json(prune, open));
  RunJournal::Identity more;
  if (device != "cpu") more.emplace_back("the engine", engine_name());
  return run_identity("train", open, said, more);
}

// The policy there is the one that an unfinished run was about to write.
bool is_trained(const std::string& output, const std::string& hash) {
  try {
    return policy_hash(load_policy(output).network) == hash;
  } catch (const Error&) {
    return false;
  }
}

void require_output_possible(const TrainVerbOptions& options, bool force) {
  require_file_possible(options.output, "policy", force, {options.model},
                        [](std::string_view head) { return head.find("prunenet policy") != head.npos; });
}

// Before anything begins.
void require_train_fits(const TrainVerbOptions& options, const OpenModel& open, Progress& progress) {
  SilentProgress silent;  // the run itself will say what rounding does
  EngineVerbOptions engine;
  engine.device = options.training.device;
  engine.threads = options.threads;
  CostRequest request;
  request.open = &open;
  request.selection = &options.selection;
  request.training = &options.training;
  request.engine = &engine;
  request.widths = planned_widths(options.selection, open, silent);
  request.output = resolved_path(options.output).parent_path();
  request.trains_only = true;
  require_fits(request, progress);
}

void finish_train(const TrainVerbOptions& options, const OpenModel& open, JournalledRun& run, Progress& progress, const Stopwatch& watch);

void train(TrainVerbOptions options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  require_device(options.training.device, options.usable_threads());
  RunJournal::clear_finished(resolved_path(options.output));
  const bool may_go_on = is_there(journal_path(resolved_path(options.output)));
  require_output_possible(options, options.force || may_go_on);
  const OpenModel open(options.model);
  if (may_go_on && options.training.device != "cpu") require_runtime();
  JournalledRun run(options.output, train_identity(options, open), options.restart);
  // Killed when the policy had its place already, but the run was not done.
  const auto former = run.remembered(JournalledRun::kOutput);
  if (former && is_trained(options.output, *former)) options.force = true;
  if (may_go_on) require_output_possible(options, options.force);
  if (!run.goes_on()) require_train_fits(options, open, *progress);
  run.say_what_is_there(trained_words(run.store(), options.training.episodes), *progress);
  try {
    run.claim();
    finish_train(options, open, run, *progress, watch);
  } catch (...) {
    run.stop();
  }
  run.finish(*progress);
}

void finish_train(const TrainVerbOptions& options, const OpenModel& open, JournalledRun& run, Progress& progress,
                  const Stopwatch& watch) {
  const auto widths = planned_widths(options.selection, open, progress);
  prepare_linear_algebra(options, progress);
  RunSpectra spectra(options.training, open.model, std::filesystem::absolute(options.output).parent_path());
  const TrainedPolicy trained =
      train_policy(open, options.selection, options.training, widths, spectra, run.store(), progress);
  const std::string hash = policy_hash(trained.file.network);
  run.store().put(JournalledRun::kOutput, std::as_bytes(std::span(hash)));
  save_policy(options.output, trained.file, options.force);
  if (options.json) {
    Json json = {{"model", open.name()}, {"output", options.output}};
    json.update(training_json(trained));
    json["kept_widths"] = widths;
    json["elapsed_s"] = watch.elapsed_s();
    json["peak_rss_bytes"] = peak_rss_bytes();
    print_json(json);
    return;
  }
  print_training(trained);
  fmt::print("policy saved: {} ({})\n", options.output, format_bytes(static_cast<double>(std::filesystem::file_size(options.output))));
  fmt::print("use it:       prunenet prune MODEL -o OUT --ratio R --method prunenet --policy {}\n", options.output);
}

}  // namespace

void add_train(CLI::App& program, Action& action) {
  auto options = std::make_shared<TrainVerbOptions>();
  CLI::App* verb = program.add_subcommand("train", "Learn the published PruneNet policy from a model's weights and save it");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_option("-o,--output", options->output, "Where to write the policy (safetensors)")->required();
  add_budget_options(*verb, options->selection);
  add_training_options(*verb, options->training);
  verb->add_flag("--force", options->force, "Overwrite the policy file");
  add_restart_option(*verb, options->restart);
  add_device_option(*verb, options->training.device);
  add_common_options(*verb, *options, true);
  verb->footer("Example:\n  prunenet train ./Llama-2-7b-hf -o policy.safetensors --ratio 0.3 --episodes 10 --lr 5e-4");
  verb->callback([options, &action] {
    options->selection.method = "prunenet";  // there is no other policy to train
    check_selection(options->selection);
    options->training.threads = options->usable_threads();
    action = [options] { train(*options); };
  });
}

}  // namespace prunenet::cli
