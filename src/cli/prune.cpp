// prunenet prune: choose, cut, write, report.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/system.h"
#include "base/version.h"
#include "cli/format.h"
#include "cli/report_data.h"
#include "cli/selection_options.h"
#include "cli/self_output.h"
#include "cli/sizes.h"
#include "cli/training_output.h"
#include "model/deci.h"
#include "selection/budget.h"
#include "slice/slice.h"

namespace prunenet::cli {
namespace {

struct PruneOptions : EngineVerbOptions {
  std::string model, output, report;
  bool force = false;
  double max_shard_gb = 5;
  SelectionOptions selection;
  TrainingOptions training;
  SelfVerbOptions self;

  std::string method_name() const { return selection.mask.empty() ? selection.method : "mask"; }
  bool is_self() const { return method_name() == "self"; }
  bool uses_policy() const { return method_name() == "prunenet"; }
  bool trains() const { return uses_policy() && selection.policy.empty(); }
};

struct Outcome {
  std::vector<int64_t> widths;
  SizeChange sizes;
  Choice choice;
  std::vector<LayerSpectra> spectra;  // empty when nobody asked
  std::optional<SelfRun> self;
  std::vector<std::string> not_copied;  // files of the source's folder
  bool uniform = true;
};

// What decides the result, in the words of the command line; neither threads nor paths, which do not.
Json options_json(const PruneOptions& options, const OpenModel& open) {
  Json json;
  if (options.selection.ratio) json["ratio"] = *options.selection.ratio;
  if (options.selection.mask.empty()) json["width_multiple"] = options.selection.width_multiple == 0 ? Json("auto") : Json(options.selection.width_multiple);
  if (options.uses_policy()) json["select"] = options.selection.select;
  if (options.trains()) {
    json["episodes"] = options.training.episodes;
    json["lr"] = options.training.learning_rate;
    json["kl"] = options.training.kl;
  }
  if (options.is_self()) json.update(self_options_json(options.self, open));
  if (options.uses_policy() || !options.report.empty()) {
    json["precision"] = uses_f64(options.training, open.model) ? "f64" : "f32";
    json["route"] = options.training.route;
  }
  return json;
}

// Metadata of a file is text; a number or a truth value among it becomes one again.
Json number_or_text(const std::string& text) {
  const Json parsed = Json::parse(text, nullptr, false);
  return parsed.is_number() || parsed.is_boolean() ? parsed : Json(text);
}

Json layers_json(const OpenModel& open, const Outcome& outcome) {
  Json layers = Json::array();
  for (size_t l = 0; l < outcome.widths.size(); ++l) {
    layers.push_back({{"index", l},
                      {"width_before", open.model.layers[l].ffn.neurons.width},
                      {"width_after", outcome.widths[l]},
                      {"ks", outcome.spectra.empty() ? Json(nullptr) : Json(outcome.spectra[l].ks)},
                      {"kept_rows", outcome.choice.mask.kept[l]}});
    const auto& groups = outcome.choice.mask.kept_kv_groups;
    if (!groups.empty()) layers.back()["kept_kv_groups"] = groups[l];
    if (outcome.self) add_sites(*outcome.self, static_cast<int64_t>(l), layers.back());
  }
  return layers;
}

// prunenet.json: no times, no dates, no paths, so that equal commands give equal bytes.
std::string artefact_text(const PruneOptions& options, const OpenModel& open, const Outcome& outcome) {
  Json json = {{"program", "prunenet"},
               {"version", PRUNENET_VERSION},
               {"method", options.method_name()},
               {"seed", options.selection.seed},
               {"options", options_json(options, open)},
               {"source",
                {{"name", open.name()},
                 {"family", open.model.family},
                 {"tensor_bytes", open.checkpoint.tensor_bytes()},
                 {"header_sha256", open.checkpoint.header_hash()}}},
               {"ffn_ratio_reached", outcome.sizes.ffn_ratio_reached()},
               {"total_ratio_reached", outcome.sizes.total_ratio_reached()}};
  const Mask& mask = outcome.choice.mask;
  if (!mask.dropped_layers.empty()) json["dropped_layers"] = mask.dropped_layers;
  if (outcome.self) json["calibration"] = calibration_json(*outcome.self);
  if (outcome.choice.policy) {
    Json policy = {{"parameters_sha256", policy_hash(outcome.choice.policy->network)}};
    for (const auto& [key, value] : outcome.choice.policy->metadata) {
      if (key.starts_with("prunenet.") && key != "prunenet.kind") policy[key.substr(9)] = number_or_text(value);
    }
    json["policy"] = std::move(policy);
  }
  // A line for each layer: a person can read it, and eleven thousand rows do not make as many lines.
  std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace);
  text.resize(text.size() - 2);  // "\n}"
  text += ",\n \"layers\": [";
  const Json layers = layers_json(open, outcome);
  for (size_t l = 0; l < layers.size(); ++l) text += (l == 0 ? "\n  " : ",\n  ") + layers[l].dump();
  return text + "\n ]\n}\n";
}

Report make_report(const PruneOptions& options, const OpenModel& open, const Outcome& outcome, double elapsed_s) {
  Report report;
  report.title = fmt::format("{}, pruned by {}", open.name(), options.method_name());
  report.model_name = open.name();
  report.family = open.model.family;
  report.before_label = "dense";
  report.after_label = "pruned";
  report.version = PRUNENET_VERSION;
  report.options = {{"method", options.method_name()}, {"seed", std::to_string(options.selection.seed)}};
  const Json said = options_json(options, open);
  for (const auto& [key, value] : said.items()) {
    report.options.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  report.options.emplace_back("time", format_duration(elapsed_s));
  report.options.emplace_back("peak memory", format_bytes(static_cast<double>(peak_rss_bytes())));
  report.totals = report_totals(outcome.sizes);
  for (size_t l = 0; l < outcome.widths.size(); ++l) {
    LayerReport layer;
    layer.index = static_cast<int64_t>(l);
    layer.width_before = open.model.layers[l].ffn.neurons.width;
    layer.width_after = outcome.widths[l];
    layer.singular_values_before = outcome.spectra[l].before;
    layer.singular_values_after = outcome.spectra[l].after;
    layer.ks = outcome.spectra[l].ks;
    report.layers.push_back(std::move(layer));
  }
  if (outcome.choice.trained) {
    for (size_t i = 0; i < outcome.choice.trained->episodes.size(); ++i) {
      const EpisodeResult& episode = outcome.choice.trained->episodes[i];
      report.episodes.push_back({static_cast<int64_t>(i), episode.avg_reward, episode.avg_ks});
    }
    report.best_episode = outcome.choice.trained->best_episode;
  }
  if (outcome.self) add_to_report(*outcome.self, report);
  report.notes.push_back("The spectrum is that of each layer's gate (or fc1) matrix. A small KS says that its singular values survived; "
                         "it says nothing about the quality of the model's text.");
  if (!outcome.uniform) {
    report.notes.push_back("The layers have different widths, which no stock config.json can state: stock programs will not load this folder.");
  }
  return report;
}

Json result_json(const PruneOptions& options, const OpenModel& open, const Outcome& outcome, double elapsed_s) {
  Json json = {{"model", open.name()}, {"output", options.output}, {"method", options.method_name()}, {"seed", options.selection.seed}};
  json.update(size_json(outcome.sizes));
  json["kept_widths"] = outcome.widths;
  if (!outcome.choice.mask.dropped_layers.empty()) json["dropped_layers"] = outcome.choice.mask.dropped_layers;
  if (outcome.self) json.update(self_json(*outcome.self));
  if (!outcome.spectra.empty()) {
    json["ks"] = Json::array();
    for (const LayerSpectra& layer : outcome.spectra) json["ks"].push_back(layer.ks);
  }
  if (outcome.choice.trained) json["training"] = training_json(*outcome.choice.trained);
  json["ratio"] = asked_ratio_json(options.selection);
  json["not_copied"] = outcome.not_copied;
  json["loads_in_stock_programs"] = outcome.uniform;
  json["elapsed_s"] = elapsed_s;
  json["peak_rss_bytes"] = peak_rss_bytes();
  return json;
}

void print_result(const PruneOptions& options, const OpenModel& open, const Outcome& outcome, double elapsed_s) {
  if (outcome.choice.trained) {
    const TrainedPolicy& trained = *outcome.choice.trained;
    const EpisodeResult& best = trained.episodes[static_cast<size_t>(trained.best_episode)];
    fmt::print("policy trained, {} episodes; that of episode {} kept (its draw: mean KS {:.4f}, reward {:.3f})\n", trained.episodes.size(),
               trained.best_episode, best.avg_ks, best.avg_reward);
  }
  fmt::print("{}: {} model, {} layers, pruned by {}, seed {}\n", open.name(), open.model.family, open.model.layers.size(),
             options.method_name(), options.selection.seed);
  print_sizes(outcome.sizes, open, outcome.widths);
  print_ratio(options.selection, open.model, outcome.sizes);
  if (outcome.self) print_self(*outcome.self, open.model);
  if (!outcome.spectra.empty()) {
    double sum = 0, worst = 0;
    for (const LayerSpectra& layer : outcome.spectra) {
      sum += layer.ks;
      worst = std::max(worst, layer.ks);
    }
    fmt::print("  {:<16} mean {:.4f}, worst {:.4f} (distance of each layer's singular values, dense to pruned)\n", "KS",
               sum / static_cast<double>(outcome.spectra.size()), worst);
  }
  fmt::print("done in {}, peak memory {}: {}\n", format_duration(elapsed_s), format_bytes(static_cast<double>(peak_rss_bytes())),
             options.output);
  if (!options.report.empty()) fmt::print("report: {}\n", options.report);
}

// Fills in the mask, and what came with it.
void choose(const PruneOptions& options, const OpenModel& open, RunSpectra& spectra, Outcome& outcome,
            Progress& progress) {
  if (options.is_self()) {
    SelfRequest request;
    request.open = &open;
    request.self = &options.self;
    request.selection = &options.selection;
    request.engine = &options;
    request.scratch_folder = resolved_path(options.output).parent_path();
    request.wants_layer_kl = !options.report.empty() && needs_engine(options.self) && options.self.moments.empty();
    outcome.self = run_self(request, progress);
    outcome.choice.mask = outcome.self->changed->mask();
  } else {
    const auto widths = planned_widths(options.selection, open.model, progress);
    outcome.choice = choose_neurons(open, options.selection, options.training, widths, spectra, progress);
  }
  outcome.widths = outcome.choice.mask.kept_widths();
}

// Layers of their own widths: padded where that was asked for, else DeciLM where the family has it, and where no config
// can state them, stock with a warning.
SliceLayout layout_of(const PruneOptions& options, const OpenModel& open, const Mask& mask) {
  if (!options.is_self() || options.self.allocate != "adaptive") return SliceLayout::kStock;
  if (options.self.pad) return SliceLayout::kPadded;
  const std::vector<int64_t> widths = mask.kept_widths();
  if (std::all_of(widths.begin(), widths.end(), [&](int64_t width) { return width == widths.front(); }))
    return SliceLayout::kStock;
  return open.model.keys.deci_refused.empty() ? SliceLayout::kDeci : SliceLayout::kStock;
}

// What would otherwise fail after the work.
void require_self_possible(const PruneOptions& options, const OpenModel& open) {
  if (!options.is_self()) return;
  const SelfVerbOptions& self = options.self;
  if (!self.moments.empty()) {
    const auto moments = resolved_path(self.moments), output = resolved_path(options.output);
    if (is_within(moments, output) || is_within(output, moments))
      fail(ErrorCode::kBadOption, "--moments", "lies in the output, or the output in it: choose another folder");
    if (is_within(moments, resolved_path(open.checkpoint.folder())))
      fail(ErrorCode::kBadOption, "--moments", "lies in the model's own folder: choose another");
  }
  if (self.allocate == "adaptive" && !self.pad && open.model.keys.deci_refused.empty()) {
    const int64_t said = options.selection.width_multiple;
    const int64_t multiple = said > 0 ? said : default_width_multiple(open.model.layers.front().ffn.neurons.width);
    if (multiple % kDeciWidthMultiple != 0) {
      fail(ErrorCode::kBadOption, "--allocate",
           "adaptive gives every layer a width of its own, which this model can state only in the DeciLM layout, in "
           "multiples of {}, and widths are multiples of {}: choose --width-multiple {}, or fill up with zero neurons to "
           "one width (--pad)",
           kDeciWidthMultiple, multiple, kDeciWidthMultiple);
    }
  }
  const bool begins = open.model.bos || !open.model.eos.empty();
  if (needs_engine(self) && self.moments.empty() && !begins && (self.check > 0 || !options.report.empty())) {
    fail(ErrorCode::kBadOption, "--check",
         "measures on own text, which begins with bos_token_id or eos_token_id of config.json, and it states neither: "
         "calibrate on a text file with --check 0 and without --report, or use --calibration gaussian");
  }
}

void prune(const PruneOptions& options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  require_report_possible(options.report, options.force, {options.model, options.output});
  const OpenModel open(options.model);
  require_output_possible(open.checkpoint, options.output, options.force);
  require_self_possible(options, open);

  Outcome outcome;
  prepare_linear_algebra(options, *progress);
  RunSpectra spectra(options.training, open.model, resolved_path(options.output).parent_path());
  choose(options, open, spectra, outcome, *progress);
  if (options.uses_policy() || !options.report.empty()) {
    outcome.spectra = layer_spectra(open, outcome.choice.mask, spectra, *progress);
  }

  Edits edits;
  edits.mask = outcome.choice.mask;
  if (outcome.self) edits.replaced = outcome.self->changed->replaced();
  edits.layout = layout_of(options, open, edits.mask);
  const SlicePlan plan = plan_slice(open.checkpoint, open.model, edits);
  outcome.sizes = size_change(open, plan);
  outcome.uniform = plan.uniform;
  SliceOptions slice;
  slice.overwrite = options.force;
  slice.max_shard_bytes = static_cast<uint64_t>(std::min(options.max_shard_gb * 1e9, 1e18));  // 1e18: beyond any disk
  slice.extra_files["prunenet.json"] = artefact_text(options, open, outcome);
  if (outcome.self && options.self.allocate == "adaptive") slice.extra_files["mask.json"] = format_mask(edits.mask);
  for (const std::string& note : plan.notes) progress->note(note);
  if (!plan.uniform) {
    progress->warn("the layers have different widths, which this config.json cannot state: it keeps the dense width and "
                   "stock programs will not load the result; prunenet itself reads the widths from the tensors");
  }
  outcome.not_copied = open.checkpoint.side_files().left_out;
  for (const std::string& name : outcome.not_copied) {
    progress->note(fmt::format("not copied: {} (a folder, hidden, or weights that were not pruned)", name));
  }
  write_slice(open.checkpoint, plan, options.output, slice, *progress);

  const double elapsed_s = watch.elapsed_s();
  if (!options.report.empty()) {
    write_file_atomically(options.report, render_html(make_report(options, open, outcome, elapsed_s)), options.force);
  }
  if (options.json) {
    print_json(result_json(options, open, outcome, elapsed_s));
  } else {
    print_result(options, open, outcome, elapsed_s);
  }
}

}  // namespace

void add_prune(CLI::App& program, Action& action) {
  auto options = std::make_shared<PruneOptions>();
  CLI::App* verb = program.add_subcommand("prune", "Write a smaller copy of a model: fewer FFN neurons in every layer, and where asked fewer heads and layers");
  verb->add_option("MODEL", options->model, "Hugging Face folder")->required();
  verb->add_option("-o,--output", options->output, "Folder to write; must not exist")->required();
  add_budget_options(*verb, options->selection);
  add_method_options(*verb, options->selection);
  add_self_options(*verb, options->self);
  add_training_options(*verb, options->training);
  verb->add_option("--report", options->report, "Write an HTML report to this file (computes the spectra of all layers)");
  verb->add_option("--max-shard-size", options->max_shard_gb, "Largest weight file, in GB (10^9 bytes)")
      ->capture_default_str()
      ->check(positive_number());
  verb->add_flag("--force", options->force, "Replace the output folder and the report");
  add_engine_choices(*verb, *options);
  verb->footer("Examples:\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --report small.html\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --heads 0.25 --layers 2\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio-total 0.25\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --moments ./moments   # again at 0.2: no forward pass\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --calibration gaussian  # no libtorch needed\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.2 --method prunenet --policy policy.safetensors");
  verb->callback([options, &action] {
    const bool is_self = options->is_self();
    check_self_options(*options->selection.verb, options->self, is_self);
    const bool other_cuts = is_self && (options->self.heads > 0 || options->self.layers > 0 || options->self.ratio_total);
    check_selection(options->selection, !options->report.empty(), other_cuts);
    if (is_self && needs_engine(options->self)) let_waiting_threads_sleep();
    action = [options] { prune(*options); };
  });
}

}  // namespace prunenet::cli
