// prunenet prune: choose, cut, write, report.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/staging_folder.h"
#include "base/system.h"
#include "base/version.h"
#include "cli/cost_output.h"
#include "cli/format.h"
#include "cli/gguf_output.h"
#include "cli/gguf_type.h"
#include "cli/journalled_run.h"
#include "cli/prune_model.h"
#include "cli/self_output.h"
#include "cli/sizes.h"
#include "cli/training_output.h"
#include "engine/load.h"
#include "slice/slice.h"

namespace prunenet::cli {
namespace {

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
  if (!options.uses_policy()) {  // else they are among the others
    report.options.emplace_back("precision", uses_f64(options.training, open.model) ? "f64" : "f32");
    report.options.emplace_back("route", options.training.route);
  }
  report.options.emplace_back("time", format_duration(elapsed_s));
  report.options.emplace_back("peak memory, mapped files included", format_bytes(static_cast<double>(peak_rss_bytes())));
  report.totals = report_totals(outcome.sizes);
  for (size_t l = 0; l < outcome.widths.size(); ++l) {
    LayerReport layer;
    layer.index = static_cast<int64_t>(l);
    layer.width_before = open.model.layers[l].ffn.neurons.width;
    layer.width_after = outcome.widths[l];
    layer.dropped = outcome.choice.mask.drops(static_cast<int64_t>(l));
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
  if (options.is_self() && options.self.pad) {
    report.notes.push_back("The layers keep different numbers of neurons and are filled up with zero neurons to one width, so that stock "
                           "programs load the folder: its parameters and bytes are those of that width.");
  }
  if (!outcome.uniform) {
    report.notes.push_back("The layers have different widths, which no stock config.json can state: stock programs will not load this folder.");
  }
  return report;
}

Json result_json(const PruneOptions& options, const OpenModel& open, const Outcome& outcome, double elapsed_s) {
  Json json = {{"model", open.name()}, {"output", options.output}, {"method", options.method_name()}, {"seed", options.selection.seed}};
  json.update(size_json(outcome.sizes));
  json["kept_widths"] = outcome.left_widths;
  if (!outcome.choice.mask.dropped_layers.empty()) json["dropped_layers"] = outcome.choice.mask.dropped_layers;
  if (outcome.self) json.update(self_json(*outcome.self));
  if (!outcome.spectra.empty()) {
    json["ks"] = Json::array();
    for (const LayerSpectra& layer : outcome.spectra) json["ks"].push_back(layer.ks);
  }
  if (outcome.choice.trained) json["training"] = training_json(*outcome.choice.trained);
  json["ratio"] = asked_ratio_json(options.selection);
  json["not_copied"] = outcome.not_copied;
  json["notes"] = outcome.notes;
  json["loads_in_stock_programs"] = outcome.uniform;
  json["file_bytes"] = outcome.file_bytes;
  json["elapsed_s"] = elapsed_s;
  json["peak_rss_bytes"] = peak_rss_bytes();
  return json;
}

void print_result(const PruneOptions& options, const OpenModel& open, const Outcome& outcome, double elapsed_s) {
  if (outcome.choice.trained) {
    const TrainedPolicy& trained = *outcome.choice.trained;
    const EpisodeResult& best = trained.episodes[static_cast<size_t>(trained.best_episode)];
    const std::string ks = trained.estimated ? fmt::format("{:.4f} by the estimate, stated error {:.4f}", best.avg_ks, best.avg_ks_error)
                                             : fmt::format("{:.4f}, exact", best.avg_ks);
    fmt::print("policy trained, {} episodes; kept: as it stood after episode {}, whose own draws had mean reward {:.3f} (mean KS {})\n",
               trained.episodes.size(), trained.best_episode, best.avg_reward, ks);
  }
  fmt::print("{}: {} model, {} layers, pruned by {}, seed {}\n", open.name(), open.model.family, open.model.layers.size(),
             options.method_name(), options.selection.seed);
  print_sizes(outcome.sizes, open, outcome.left_widths);
  const bool rounded_alone = outcome.choice.mask.dropped_layers.empty() && !options.self.pad;
  if (rounded_alone) print_ratio(options.selection, used_width_multiple(options.selection, options.self, options.is_self(), open), outcome.sizes);
  if (options.self.ratio_total) {
    fmt::print("  {:<16} {} of all parameters asked, {} reached (widths are multiples of {}; a smaller --width-multiple comes closer)\n",
               "ratio", format_percent(*options.self.ratio_total), format_percent(outcome.sizes.total_ratio_reached()),
               width_multiple(options.self, options.selection, open.model));
  }
  if (options.self.pad) {
    int64_t kept = 0, before = 0;
    for (const auto& rows : outcome.choice.mask.kept) kept += static_cast<int64_t>(rows.size());
    for (int64_t width : open.model.ffn_widths()) before += width;
    fmt::print("  {:<16} {} of the neurons are gone; zero neurons fill the layers up to the widest, so the files are {} smaller in their "
               "FFNs. At that size a uniform --ratio {:.2g} may well lose less: compare the two\n", "padded",
               format_percent(1 - static_cast<double>(kept) / static_cast<double>(before)),
               format_percent(outcome.sizes.ffn_ratio_reached()), outcome.sizes.ffn_ratio_reached());
  }
  if (outcome.self) print_self(*outcome.self, open.model);
  if (!outcome.spectra.empty()) {
    double sum = 0, worst = 0;
    for (const LayerSpectra& layer : outcome.spectra) {
      sum += layer.ks;
      worst = std::max(worst, layer.ks);
    }
    const char* of = !options.uses_policy()             ? ""
                     : options.selection.select == "top" ? ", of the policy's top rows"
                                                         : ", of a new draw from the policy";
    fmt::print("  {:<16} mean {:.4f}, worst {:.4f} (distance of each layer's singular values, dense to pruned: exact{})\n", "KS",
               sum / static_cast<double>(outcome.spectra.size()), worst, of);
  }
  fmt::print("done in {}, peak memory {} with mapped files: {}\n", format_duration(elapsed_s), format_bytes(static_cast<double>(peak_rss_bytes())),
             options.output);
  if (!options.report.empty()) fmt::print("report: {}\n", options.report);
}

// How far the parts go.
std::string finished_words(const PruneOptions& options, const OpenModel& open, const ResultStore& store) {
  if (options.trains()) return trained_words(store, options.training.episodes);
  if (!options.is_self() || options.self.ratio_total) return "";
  const auto layers = static_cast<int64_t>(open.model.layers.size());
  // Those that go count as well: the walk comes past them.
  const int64_t finished = num_finished_layers(store, layers);
  return finished == 0 ? "which has finished no layer yet" : fmt::format("which has finished {} of {} layers", finished, layers);
}

void finish_prune(const PruneOptions& options, const OpenModel& open, ResultStore& store, Progress& progress, const Stopwatch& watch) {
  const Outcome outcome = prune_model(options, open, store, progress);

  const double elapsed_s = watch.elapsed_s();
  std::vector<PhaseRow> phases;
  if (options.phases) phases = phase_rows(outcome.times, elapsed_s, options.dtype == "bf16", options.device != "cpu");
  if (!options.report.empty()) {
    const std::string html = render_html(make_report(options, open, outcome, elapsed_s));
    if (options.keeps_parts()) {
      const std::string hash = text_hash(html);
      store.put(JournalledRun::kReport, std::as_bytes(std::span(hash)));
    }
    write_file_atomically(options.report, html, options.may_replace_report());
  }
  if (options.json) {
    Json json = result_json(options, open, outcome, elapsed_s);
    if (options.phases) json["phases"] = phases_json(phases);
    print_json(json);
  } else {
    print_result(options, open, outcome, elapsed_s);
    if (options.phases) print_phases(phases);
  }
}

void prune(PruneOptions options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  require_device(options.device, options.usable_threads());
  RunJournal::clear_finished(resolved_path(options.output));
  const bool may_go_on = is_there(journal_path(resolved_path(options.output)));
  require_report_possible(options.report, options.force || may_go_on, {options.model, options.output});
  const OpenModel open(options.model);
  if (may_go_on && options.computes_with_engine()) require_runtime();  // else the journal would only be that of another engine
  JournalledRun run(options.output, prune_identity(options, open), options.restart);
  // Killed when the output had its place already, but the run was not done: then it is this run's to write again.
  const auto output = run.remembered(JournalledRun::kOutput), report = run.remembered(JournalledRun::kReport);
  options.own_output = output && is_output_of(options.output, *output);
  options.own_report = report && file_hash(options.report) == *report;
  if (may_go_on) require_report_possible(options.report, options.may_replace_report(), {options.model, options.output});
  require_prune_possible(options, open);
  if (!run.goes_on()) {  // else another --dtype would be another run
    require_prune_fits(options, open, *progress);
    const bool runs_model = options.is_self() && will_run_model(options.self);
    if (const auto hint = runs_model ? memory_hint(open, options) : std::nullopt) progress->note(*hint);
  }
  prepare_linear_algebra(options, *progress);
  run.say_what_is_there(finished_words(options, open, run.store()), *progress);
  try {
    if (options.keeps_parts()) run.claim();
    finish_prune(options, open, run.store(), *progress, watch);
  } catch (...) {
    run.stop();
  }
  run.finish(*progress);
}

}  // namespace

void add_prune(CLI::App& program, Action& action) {
  auto options = std::make_shared<PruneOptions>();
  CLI::App* verb = program.add_subcommand("prune", "Write a smaller copy of a model: fewer FFN neurons in every layer, and where asked fewer heads and layers");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_option("-o,--output", options->output, "Folder to write, or GGUF file (a name that ends with .gguf); must not exist")->required();
  verb->add_option("--type", options->type, "Of a GGUF output from a folder: type of the matrices; as they are stored when not given")
      ->check(gguf_type_names());
  verb->add_flag("--no-vocabulary", options->no_vocabulary, "Of a GGUF output from a folder: write no tokenizer; llama.cpp then takes token ids only");
  add_choice_options(*verb, *options);
  verb->add_option("--report", options->report, "Write an HTML report to this file (computes the spectra of all layers)");
  add_shard_option(*verb, *options);
  verb->add_flag("--phases", options->phases, "Show where the time went, and how far each part is from its matrix products alone");
  verb->add_flag("--force", options->force, "Replace the output and the report");
  add_restart_option(*verb, options->restart);
  verb->get_option("--restart")
      ->description(
          "Begin anew: throw away what an unfinished run for the same output has kept. Otherwise the same command goes "
          "on from it, and another is refused. Of --method self, and of prunenet where it trains; of other methods only "
          "where another command has kept something for this output");
  add_engine_choices(*verb, *options);
  verb->footer("Examples:\n"
               "  prunenet prune ./Llama-2-7b-hf -o small.q8_0.gguf --ratio 0.3 --type q8_0\n"
               "  prunenet prune llama-2-7b.q4_k_m.gguf -o small.gguf --ratio 0.3\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --report small.html\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --heads 0.25 --layers 2\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio-total 0.25\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --moments ./moments   # again at 0.2: no forward pass\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.3 --calibration gaussian  # no libtorch needed\n"
               "  prunenet prune ./Llama-2-7b-hf -o ./small --ratio 0.2 --method prunenet --policy policy.safetensors");
  verb->callback([options, verb, &action] {
    check_prune_options(*verb, *options);
    if (options->is_self() && needs_engine(options->self)) let_waiting_threads_sleep();
    action = [options] { prune(*options); };
  });
}

}  // namespace prunenet::cli
