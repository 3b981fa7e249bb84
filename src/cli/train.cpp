// prunenet train: learn the published policy from a model's weights and save it for later prunes.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/scratch_file.h"
#include "base/system.h"
#include "cli/format.h"
#include "cli/selection_options.h"
#include "cli/training_output.h"

namespace prunenet::cli {
namespace {

struct TrainVerbOptions : CommonOptions {
  std::string model, output;
  bool force = false;
  SelectionOptions selection;
  TrainingOptions training;
};

void train(const TrainVerbOptions& options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  require_file_possible(options.output, "policy", options.force, {options.model},
                        [](std::string_view head) { return head.find("prunenet policy") != head.npos; });
  const OpenModel open(options.model);
  const auto widths = planned_widths(options.selection, open, *progress);
  prepare_linear_algebra(options, *progress);
  RunSpectra spectra(options.training, open.model, std::filesystem::absolute(options.output).parent_path());
  ScratchFile scratch(std::filesystem::absolute(options.output).parent_path());
  const TrainedPolicy trained = train_policy(open, options.selection, options.training, widths, spectra, scratch, *progress);
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
  add_common_options(*verb, *options, true);
  verb->footer("Example:\n  prunenet train ./Llama-2-7b-hf -o policy.safetensors --ratio 0.3 --episodes 10 --lr 5e-4");
  verb->callback([options, &action] {
    options->selection.method = "prunenet";  // there is no other policy to train
    check_selection(options->selection);
    action = [options] { train(*options); };
  });
}

}  // namespace prunenet::cli
