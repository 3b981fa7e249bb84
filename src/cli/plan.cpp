// prunenet plan: what a prune would reach and cost.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/cost_output.h"
#include "cli/estimate.h"
#include "cli/format.h"
#include "cli/gguf_type.h"
#include "cli/selection_options.h"
#include "cli/sizes.h"
#include "convert/to_gguf.h"

namespace prunenet::cli {
namespace {

struct PlanOptions : EngineVerbOptions {
  std::string model, output;
  SelectionOptions selection;
  TrainingOptions training;
  SelfVerbOptions self;

  bool is_self() const { return selection.mask.empty() && selection.method == "self"; }
  bool trains() const { return selection.mask.empty() && selection.method == "prunenet" && selection.policy.empty(); }
};

// Why there is no such device here; nothing where there is.
std::optional<std::string> missing_device(const PlanOptions& options) {
  try {
    open_accelerator(options.device, options.usable_threads());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported && error.code() != ErrorCode::kNotFound) throw;
    return error.what();
  }
  return std::nullopt;
}

void plan(const PlanOptions& options) {
  const auto progress = make_progress(options);
  const OpenModel open(options.model);
  if (is_gguf_name(options.output) && open.checkpoint.gguf() == nullptr) {
    ToGgufOptions to;
    to.vocabulary = false;
    plan_gguf(open.checkpoint, open.model, to);  // throws for what llama.cpp does not know
  }
  const PlannedCut cut = planned_cut(options.selection, options.self, open, *progress);
  const std::vector<int64_t>& widths = cut.left_widths;
  const SizeChange& change = cut.change;
  prepare_linear_algebra(options, *progress);
  CostRequest request = cost_of_cut(open, cut, options.selection, options.training,
                                    options.is_self() ? &options.self : nullptr, options);
  request.output =
      options.output.empty() ? std::filesystem::temp_directory_path() : std::filesystem::absolute(options.output);
  request.to_gguf = is_gguf_name(options.output) && open.checkpoint.gguf() == nullptr;
  const CostEstimate cost = estimate_cost(request, *progress);
  Outlook outlook;
  outlook.fit = check_fit(request);
  outlook.lighter = lighter_choices(request);
  if (const auto words = missing_device(options)) outlook.refusals.push_back(*words);
  if (options.json) {
    Json json = {{"model", open.name()}, {"ratio", asked_ratio_json(options.selection)}};
    json.update(size_json(change));
    json["kept_widths"] = widths;
    json.update(cost_json(cost, outlook));
    print_json(json);
    return;
  }
  fmt::print("{}: {} model, {} layers\n", open.name(), open.model.family, open.model.layers.size());
  print_sizes(change, open, widths);
  if (options.self.layers == 0 && options.self.allocate == "uniform")
    print_ratio(options.selection, used_width_multiple(options.selection, options.self, options.is_self(), open),
                change);
  if (options.self.allocate == "adaptive") {
    fmt::print("  {:<16} the same number of neurons, shared out by measuring{}\n", "adaptive",
               options.self.pad ? "; padded to the widest layer, the files are larger than said here" : "");
  }
  print_cost(cost, outlook);
}

}  // namespace

void add_plan(CLI::App& program, Action& action) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb = program.add_subcommand("plan", "Say what a prune would reach and cost");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  add_budget_options(*verb, options->selection);
  add_method_options(*verb, options->selection);
  add_self_options(*verb, options->self);
  add_training_options(*verb, options->training);
  verb->add_option(
      "-o,--output", options->output,
      "Where the output would go: its disk's speed is measured, and a name that ends with .gguf plans a GGUF file");
  add_engine_choices(*verb, *options);
  verb->footer("Example:\n  prunenet plan ./Llama-2-7b-hf --ratio 0.3");
  verb->callback([options, &action] {
    options->self.from_gguf = is_gguf_name(options->model);
    options->self.to_gguf = is_gguf_name(options->output) || is_gguf_name(options->model);
    options->self.check_said = options->selection.verb->get_option("--check")->count() > 0;
    check_self_options(*options->selection.verb, options->self, options->is_self());
    if (!options->is_self() && !options->trains())
      refuse_said(*options->selection.verb, {"--device"}, "goes with --method self, and with prunenet where it trains");
    options->training.device = options->device;
    options->training.threads = options->usable_threads();
    if (options->self.ratio_total)
      fail(ErrorCode::kBadOption, "--ratio-total",
           "finds its mix by measuring the model cut in many ways, and what that takes depends on what it finds: about "
           "a dozen times a plain run of the same --ratio");
    check_selection(options->selection, false,
                    options->is_self() && (options->self.heads > 0 || options->self.layers > 0));
    if (options->is_self() && needs_engine(options->self)) let_waiting_threads_sleep();  // as prune does
    action = [options] { plan(*options); };
  });
}

}  // namespace prunenet::cli
