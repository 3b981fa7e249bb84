// Choosing, cutting, writing.
#include "cli/prune_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/output_folder.h"
#include "base/staging_folder.h"
#include "base/version.h"
#include "cli/estimate.h"
#include "cli/format.h"
#include "cli/gguf_output.h"
#include "cli/gguf_type.h"
#include "cli/journalled_run.h"
#include "cli/plan_output.h"
#include "cli/policy_phases.h"
#include "cli/self_output.h"
#include "cli/training_output.h"
#include "slice/slice.h"

namespace prunenet::cli {

Json options_json(const PruneOptions& options, const OpenModel& open) {
  Json json = Json::object();
  if (options.selection.ratio) json["ratio"] = *options.selection.ratio;
  if (options.selection.mask.empty())
    json["width_multiple"] =
        options.selection.width_multiple == 0 ? Json("auto") : Json(options.selection.width_multiple);
  if (options.uses_policy()) json["select"] = options.selection.select;
  if (options.trains()) {
    json["episodes"] = options.training.episodes;
    json["lr"] = options.training.learning_rate;
    json["kl"] = options.training.kl;
    const bool exact = spectrum_method(options.training, open.model) == SpectrumMethod::kExact;
    json["spectrum"] = exact ? "exact" : "estimate";
  }
  if (options.is_self()) json.update(self_options_json(options.self, open));
  if (options.is_self() && needs_engine(options.self)) json["dtype"] = options.dtype;
  if (options.uses_policy()) {
    json["precision"] = uses_f64(options.training, open.model) ? "f64" : "f32";
    json["route"] = options.training.route;
  }
  return json;
}

namespace {

// Metadata of a file is text; a number or a truth value among it becomes one again.
Json number_or_text(const std::string& text) {
  const Json parsed = Json::parse(text, nullptr, false);
  return parsed.is_number() || parsed.is_boolean() ? parsed : Json(text);
}

Json layers_json(const PruneOptions& options, const OpenModel& open, const Outcome& outcome) {
  Json layers = Json::array();
  for (size_t l = 0; l < outcome.widths.size(); ++l) {
    layers.push_back({{"index", l},
                      {"width_before", open.model.layers[l].ffn.neurons.width},
                      {"width_after", outcome.widths[l]},
                      {"ks", options.uses_policy() ? Json(outcome.spectra[l].ks) : Json(nullptr)},
                      {"kept_rows", outcome.choice.mask.kept[l]}});
    const auto& groups = outcome.choice.mask.kept_kv_groups;
    if (!groups.empty()) layers.back()["kept_kv_groups"] = groups[l];
    if (outcome.self) add_sites(*outcome.self, static_cast<int64_t>(l), layers.back());
  }
  return layers;
}

// prunenet.json: no times, no dates, no paths, and nothing that a report asks for, so that equal commands give equal
// bytes.
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
  const Json layers = layers_json(options, open, outcome);
  for (size_t l = 0; l < layers.size(); ++l) text += (l == 0 ? "\n  " : ",\n  ") + layers[l].dump();
  return text + "\n ]\n}\n";
}

// What the policy and the spectra have to do, for counting.
CostRequest cost_of_choice(const PruneOptions& options, const OpenModel& open, const std::vector<int64_t>& widths) {
  CostRequest request;
  request.open = &open;
  request.selection = &options.selection;
  request.training = &options.training;
  request.engine = &options;
  request.widths = widths;
  return request;
}

// Fills in the mask, and what came with it.
void choose(const PruneOptions& options, const OpenModel& open, RunSpectra& spectra, ResultStore& store,
            Outcome& outcome, Progress& progress) {
  if (options.is_self()) {
    SelfRequest request;
    request.open = &open;
    request.self = &options.self;
    request.selection = &options.selection;
    EngineVerbOptions engine = options;
    engine.scratch_folder = resolved_path(options.output).parent_path();
    request.engine = &engine;
    request.store = &store;
    request.times = &outcome.times;
    request.wants_layer_kl = !options.report.empty() && needs_engine(options.self) && options.self.moments.empty();
    outcome.self = run_self(request, progress);
    outcome.choice.mask = outcome.self->changed->mask();
  } else {
    const auto widths = planned_widths(options.selection, open, progress);
    std::optional<TrainedPolicy> trained;
    if (options.trains()) {
      trained = train_policy(open, options.selection, options.training, widths, spectra, store, progress);
      add_training_phases(cost_of_choice(options, open, widths), *trained, outcome.times);
    }
    const TimedPhase phase(&outcome.times, "scoring");
    outcome.choice = choose_neurons(open, options.selection, widths, std::move(trained), progress);
  }
  outcome.widths = outcome.choice.mask.kept_widths();
  for (size_t l = 0; l < outcome.widths.size(); ++l) {
    if (!outcome.choice.mask.drops(static_cast<int64_t>(l))) outcome.left_widths.push_back(outcome.widths[l]);
  }
}

// Layers of their own widths: padded where that was asked for, else DeciLM (require_self_possible has seen to it that
// the family has it).
SliceLayout layout_of(const PruneOptions& options, const Mask& mask) {
  if (!options.is_self() || options.self.allocate != "adaptive") return SliceLayout::kStock;
  if (options.self.pad) return SliceLayout::kPadded;
  if (is_gguf_name(options.output)) return SliceLayout::kStock;  // it states widths layer by layer
  const std::vector<int64_t> widths = mask.kept_widths();
  if (std::all_of(widths.begin(), widths.end(), [&](int64_t width) { return width == widths.front(); }))
    return SliceLayout::kStock;
  return SliceLayout::kDeci;
}

// The folder of moments would otherwise fail after the work.
void require_moments_possible(const PruneOptions& options) {
  if (!options.is_self() || options.self.moments.empty()) return;
  const auto moments = resolved_path(options.self.moments);
  if (!std::filesystem::exists(moments))
    const OutputFolder trial(moments, false, "moments.json");  // throws where it cannot be
}

}  // namespace

void require_self_possible(const PruneOptions& options, const OpenModel& open) {
  if (!options.is_self()) return;
  const SelfVerbOptions& self = options.self;
  if (!self.moments.empty()) {
    const auto moments = resolved_path(self.moments);
    const auto lies_in = [&](const std::filesystem::path& output) {
      return is_within(moments, output) || is_within(output, moments);
    };
    if (!options.output.empty() && lies_in(resolved_path(options.output)))
      fail(ErrorCode::kBadOption, "--moments", "lies in the output, or the output in it: choose another folder");
    if (is_within(moments, resolved_path(open.checkpoint.folder())))
      fail(ErrorCode::kBadOption, "--moments", "lies in the model's own folder: choose another");
  }
  const bool begins = open.model.bos || !open.model.eos.empty();
  const bool measures =
      self.moments.empty() ? self.check > 0 || !options.report.empty() : self.check_said && self.check > 0;
  if (needs_engine(self) && !begins && (measures || self.ratio_total)) {
    fail(ErrorCode::kBadOption, "--check",
         "is on unless it is 0, and measures on own text (as --ratio-total does), which begins with BOS or EOS "
         "(bos_token_id, eos_token_id), and {} states neither: "
         "calibrate on a text file with --check 0 and without --report, or use --calibration gaussian",
         open.checkpoint.config_where());
  }
}

CostRequest request_of_prune(const PruneOptions& options, const OpenModel& open, const PlannedCut& cut) {
  CostRequest request =
      cost_of_cut(open, cut, options.selection, options.training, options.is_self() ? &options.self : nullptr, options);
  request.output =
      options.output.empty() ? std::filesystem::temp_directory_path() : resolved_path(options.output).parent_path();
  if (open.checkpoint.gguf() == nullptr) request.output_bytes += sharding_bytes(cut, shard_bytes(options.max_shard_gb));
  if (goes_through_folder(options, open)) {
    request.to_gguf = true;
    const GgufSize size = gguf_size(open, cut, gguf_options(options, open));
    request.gguf_bytes = size.file_bytes;
    request.gguf_tensor_bytes = size.tensor_bytes;
  }
  request.reports = !options.report.empty();
  request.phases = options.phases;
  return request;
}

void add_choice_options(CLI::App& verb, PruneOptions& options) {
  add_budget_options(verb, options.selection);
  add_method_options(verb, options.selection);
  add_self_options(verb, options.self);
  add_training_options(verb, options.training);
}

void add_shard_option(CLI::App& verb, PruneOptions& options) {
  verb.add_option("--max-shard-size", options.max_shard_gb, "Largest weight file, in GB (10^9 bytes)")
      ->capture_default_str()
      ->check(positive_number());
}

void check_prune_options(const CLI::App& verb, PruneOptions& options) {
  const bool is_self = options.is_self();
  check_formats(verb, options);
  options.self.check_said = verb.get_option("--check")->count() > 0;
  check_self_options(verb, options.self, is_self);
  if (!is_self && !options.trains())
    refuse_said(verb, {"--device"}, "goes with --method self, and with prunenet where it trains");
  if (!options.keeps_parts() && (options.output.empty() || !is_there(journal_path(resolved_path(options.output))))) {
    refuse_said(verb, {"--restart"},
                "does nothing here: only --method self, and prunenet where it trains, keep what an unfinished run has "
                "finished, and nothing is kept for this output");
  }
  options.training.device = options.device;
  options.training.threads = options.usable_threads();
  const bool other_cuts = is_self && (options.self.heads > 0 || options.self.layers > 0 || options.self.ratio_total);
  check_selection(options.selection, !options.report.empty(), other_cuts);
}

RunJournal::Identity prune_identity(const PruneOptions& options, const OpenModel& open) {
  Json said = {{"method", options.method_name()}, {"seed", options.selection.seed}};
  said.update(options_json(options, open));
  const SelfVerbOptions& self = options.self;
  const bool runs_model = options.is_self() && needs_engine(self);
  if (runs_model || options.trains()) said["device"] = options.device.substr(0, options.device.find(':'));
  if (runs_model) said["check"] = self.check;
  if (options.selection.whole_blocks) said["whole_blocks"] = true;
  RunJournal::Identity more;
  if (options.is_self()) more = calibration_identity(self, options.selection, open);
  if (!options.selection.mask.empty()) more.emplace_back("the file of --mask", file_hash(options.selection.mask));
  if (!options.selection.policy.empty()) more.emplace_back("the file of --policy", file_hash(options.selection.policy));
  if (options.computes_with_engine()) more.emplace_back("the engine", engine_name());
  return run_identity("prune", open, said, more);
}

bool is_output_of(const std::string& output, const std::string& text) {
  constexpr uint64_t kMostBytes = uint64_t{1} << 30;
  try {
    if (std::filesystem::is_directory(output))
      return read_text_file(std::filesystem::path(output) / "prunenet.json", kMostBytes) == text;
    if (!std::filesystem::is_regular_file(output)) return false;
    const Checkpoint written(output);
    return written.gguf() != nullptr && written.gguf()->metadata().text(metadata_key("prunenet.json"), output) == text;
  } catch (const Error&) {  // whatever it is, it is none of ours
    return false;
  }
}

void require_prune_fits(const PruneOptions& options, const OpenModel& open, Progress& progress) {
  SilentProgress silent;  // the run itself will say what rounding does
  const PlannedCut cut = planned_cut(options.selection, options.self, open, silent);
  require_fits(request_of_prune(options, open, cut), progress);
}

Outcome prune_model(const PruneOptions& options, const OpenModel& open, Progress& progress) {
  auto scratch = std::make_unique<ScratchFile>(resolved_path(options.output).parent_path());
  Outcome outcome = prune_model(options, open, *scratch, progress);
  outcome.scratch = std::move(scratch);
  return outcome;
}

Outcome prune_model(const PruneOptions& options, const OpenModel& open, ResultStore& store, Progress& progress) {
  require_self_possible(options, open);
  require_moments_possible(options);
  Outcome outcome;
  std::optional<GgufOutput> gguf;  // held from before the work on: no other run writes the same file
  if (goes_through_folder(options, open)) gguf.emplace(options, open);
  RunSpectra spectra(options.training, open.model, resolved_path(options.output).parent_path());
  choose(options, open, spectra, store, outcome, progress);
  if (options.uses_policy() || !options.report.empty()) {
    TimedPhase phase(&outcome.times, "spectra of the choice");
    outcome.spectra = layer_spectra(open, outcome.choice.mask, spectra, progress);
    count_spectra_of_choice(cost_of_choice(options, open, outcome.widths), outcome.choice.trained, spectra.num_cached(),
                            phase);
  }

  Edits edits;
  edits.mask = outcome.choice.mask;
  if (outcome.self) edits.replaced = outcome.self->changed->replaced();
  edits.layout = layout_of(options, edits.mask);
  const SlicePlan plan = plan_slice(open.checkpoint, open.model, edits);
  outcome.sizes = size_change(open, plan);
  outcome.uniform = plan.uniform;
  SliceOptions slice;
  slice.overwrite = options.may_replace_output();
  slice.max_shard_bytes = shard_bytes(options.max_shard_gb);
  const std::string artefact = slice.extra_files["prunenet.json"] = artefact_text(options, open, outcome);
  if (options.keeps_parts()) store.put(JournalledRun::kOutput, std::as_bytes(std::span(artefact)));
  if (outcome.self && options.self.allocate == "adaptive") slice.extra_files["mask.json"] = format_mask(edits.mask);
  if (!gguf) outcome.notes = say(plan.notes, plan.warnings, progress);  // else they speak of a folder that goes again
  const bool to_gguf = is_gguf_name(options.output);
  if (!plan.uniform && !to_gguf) {
    progress.warn(
        "the layers have different widths, which this config.json cannot state: it keeps the dense width and "
        "stock programs will not load the result; prunenet itself reads the widths from the tensors");
  }
  if (!to_gguf) outcome.not_copied = open.checkpoint.side_files().left_out;
  for (const std::string& name : outcome.not_copied) {
    progress.note(fmt::format("not copied: {} (a folder, hidden, or weights that were not pruned)", name));
  }
  {
    const TimedPhase phase(&outcome.times, "writing");
    if (gguf) {
      gguf->write(plan, std::move(slice), outcome, progress);
    } else {
      outcome.file_bytes = write_slice(open.checkpoint, plan, options.output, slice, progress);
    }
  }
  return outcome;
}

}  // namespace prunenet::cli
