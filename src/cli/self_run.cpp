// Running self-calibrated pruning by the options.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/store_part.h"
#include "calibrate/collect.h"
#include "calibrate/timed_source.h"
#include "calibrate/lazy_probe.h"
#include "calibrate/stored_values.h"
#include "checkpoint/fingerprint.h"
#include "cli/format.h"
#include "cli/journalled_run.h"
#include "cli/self_options.h"
#include "cli/text_windows.h"
#include "convert/architecture.h"
#include "cost/engine_speed.h"
#include "model/deci.h"
#include "selection/budget.h"
#include "slice/slice.h"

namespace prunenet::cli {
namespace {

constexpr int64_t kSmallModel = 200'000'000;     // parameters: more own text costs nothing to speak of
constexpr int64_t kTinyModel = 20'000'000;       // several Gauss-Newton steps take seconds
constexpr int64_t kMediumModel = 2'000'000'000;  // one takes as long as the rest of the work

bool is_text_file(const SelfVerbOptions& options) {
  return options.calibration != "own-text" && options.calibration != "random-tokens" &&
         options.calibration != "gaussian";
}

SelfOptions pruner_options(const SelfVerbOptions& self, const SelectionOptions& selection, const OpenModel& open) {
  SelfOptions options;
  options.sequences = own_text_sequences(self, open);
  options.tokens = self.tokens;
  if (open.model.max_context > 0) options.tokens = std::min(options.tokens, open.model.max_context);
  options.temperature = self.temperature;
  for (const LayerDescription& layer : open.model.layers)
    options.gaussian_tokens = std::max(options.gaussian_tokens, layer.ffn.neurons.width);
  options.seed = selection.seed;
  const std::string refit = resolved_refit(self);
  options.refit = refit == "sequential" ? RefitMode::kSequential
                  : refit == "one-shot" ? RefitMode::kOneShot
                                        : RefitMode::kNone;
  options.feedback = self.feedback;
  options.refit_attention = !keeps_output(self, open);
  options.neuron_steps = neuron_steps(self, open);
  options.neuron_iterations = self.neuron_iterations;
  options.weigh_by_loss = self.weighting != "plain" && self.calibration != "gaussian";
  options.sensitivity_tokens = self.sensitivity_tokens;
  options.damping = self.damping;
  if (self.calibration == "gaussian") {
    options.calibration = Calibration::kGaussian;
  } else if (self.calibration == "random-tokens") {
    options.calibration = Calibration::kRandomTokens;
  } else if (self.calibration != "own-text") {
    options.calibration = Calibration::kGivenText;
    if (!std::filesystem::exists(self.calibration)) {
      fail(ErrorCode::kNotFound, "--calibration",
           "'{}' is no such file, and none of own-text, random-tokens and gaussian", self.calibration);
    }
    options.given = text_windows(open, self.calibration, options.tokens, options.sequences, "--calibration own-text");
  }
  return options;
}

std::vector<int64_t> kept_groups_of_layers(double share, const ModelDescription& model) {
  if (!model.keys.heads_fixed.empty()) fail(ErrorCode::kUnsupported, "--heads", "{}", model.keys.heads_fixed);
  std::vector<int64_t> kept;
  for (const LayerDescription& layer : model.layers) {
    const int64_t groups = layer.attention.kv_groups.width;
    const auto gone = static_cast<int64_t>(std::floor(share * static_cast<double>(groups) + 1e-9));
    kept.push_back(std::max<int64_t>(1, groups - gone));
  }
  if (kept.front() == model.layers.front().attention.kv_groups.width) {
    fail(ErrorCode::kBadOption, "--heads", "{} of {} KV groups rounds down to none; the least that can go is {:.4g}",
         share, kept.front(), 1 / static_cast<double>(kept.front()));
  }
  return kept;
}

class SelfRunner {
 public:
  SelfRunner(const SelfRequest& request, Progress& progress)
      : request_(request), self_(*request.self), open_(*request.open), progress_(progress) {}

  SelfRun run() {
    require_plan();
    open_moments();
    SelfOptions options = pruner_options(self_, *request_.selection, open_);  // reads a given text: what is wrong with it shows at once
    options.times = request_.times;
    if (will_run_model(self_)) {
      const TimedPhase phase(request_.times, "loading the model");
      engine_ = open_engine(open_, *request_.engine, progress_);
    }
    accelerator_ = open_accelerator(request_.engine->device, request_.engine->usable_threads());
    options.accelerator = accelerator_.get();
    if (!self_.moments.empty() && !reader_) fill_moments(options);
    if (reader_) {
      options.calibration = Calibration::kStoredMoments;
      options.given.clear();
      options.stored = &*reader_;
    }
    SelfPruner pruner(open_.checkpoint, open_.model, engine_.get(), std::move(options), *request_.store, progress_);
    run_.calibration = pruner.words();
    run_.refits = pruner.shrink_options().refit;
    if (said("--tokens") && self_.tokens > pruner.options().tokens)
      progress_.note(fmt::format("--tokens {} is cut to the context, {}", self_.tokens, pruner.options().tokens));
    warn_of_few_tokens(pruner);
    remember_moments();
    if (self_.ratio_total) {
      find_best_mix(pruner);
    } else {
      run_.changed = std::make_unique<ChangedModel>(open_.checkpoint, open_.model, *request_.store);
      run_.outcome = pruner.shrink(plan(pruner), *run_.changed);
    }
    if (measures_result()) measure(pruner);
    return std::move(run_);
  }

 private:
  // Before the work: the widest map decides.
  void warn_of_few_tokens(SelfPruner& pruner) {
    int64_t widest = 0;
    for (int64_t width : open_.model.ffn_widths()) widest = std::max(widest, width);
    int64_t tokens = num_tokens(pruner.text());
    if (pruner.options().calibration == Calibration::kGaussian) tokens = pruner.options().gaussian_tokens;
    if (reader_) tokens = reader_->read(0, map_name(Site::kFfn)).moments.tokens;
    const double ratio = tokens_per_input(widest, tokens);
    if (ratio >= 1) return;
    const char* more = reader_               ? "moments of more text"
                       : is_text_file(self_) ? "a longer text"
                                             : "more --own-text or --tokens";
    progress_.warn(fmt::format(
        "{} tokens are few for {} neurons ({:.2f} each): they do not tell how all neurons depend on each other. What they "
        "leave open stays near the dense weights (damping: {:.2g} times a neuron's own energy), so the refit mends "
        "less; {} would help",
        tokens, widest, ratio,
        self_.damping.value_or(automatic_damping(widest, tokens, resolve(Precision::kAuto, widest))), more));
  }

  // What the model cannot lose is refused before anything is computed.
  void require_plan() const {
    if (self_.ratio_total) return;
    const ShrinkPlan plan = planned_sizes(self_, *request_.selection, open_);
    if (self_.allocate == "uniform") plan_slice(open_.checkpoint, open_.model, mask_of_sizes(open_.model, plan));
  }

  bool said(const char* name) const {
    return request_.selection->verb != nullptr && was_said(*request_.selection->verb, name);
  }

  // Not whether there happens to be an engine: a run that fills a folder of moments and one that finds it are to say
  // the same.
  bool measures_result() const {
    if (self_.calibration == "gaussian") return false;
    return self_.moments.empty() || resolved_refit(self_) == "sequential" || (self_.check_said && self_.check > 0);
  }

  void open_moments() {
    if (self_.moments.empty() || !std::filesystem::exists(self_.moments)) return;
    reader_.emplace(self_.moments);
    reader_->require(model_fingerprint(open_.checkpoint), maps_of(open_.model, self_.heads > 0));
    progress_.note("using the moments in " + self_.moments + ": " + reader_->manifest().source);
    require_same_text();
    if (self_.weighting == "loss" && self_.calibration != "gaussian" && !holds_sensitivities()) {
      fail(ErrorCode::kMismatch, self_.moments,
           "was filled without what the loss feels, and --weighting loss asks for it: fill "
           "another folder");
    }
    require_moments_of_this_run();
  }

  // Whoever says on what to measure and names a folder that was measured on something else is mistaken in one of the
  // two.
  void require_same_text() const {
    if (!said("--calibration") && !said("--own-text") && !said("--tokens") && !said("--temperature")) return;
    SelfOptions asked = one_shot(pruner_options(self_, *request_.selection, open_));
    const std::string words = words_of(asked);
    if (words == reader_->manifest().source) return;
    fail(ErrorCode::kMismatch, self_.moments,
         "holds moments of {}; the options ask for {}: leave them out, or fill another folder",
         reader_->manifest().source, words);
  }

  // The parts of a run are made from one folder of moments. What it is of in words is not enough to know it by: of the
  // same text there are moments in bf16, too, and of another engine.
  void require_moments_of_this_run() const {
    const auto known = request_.store->find(kMoments);
    if (!known || is_text(*known, folder_hash(self_.moments))) return;
    fail(ErrorCode::kMismatch, self_.moments,
         "holds other moments than those that an unfinished run of this command has begun with: give it back what it "
         "held, or begin anew (--restart)");
  }
  // Put when the work begins, so that a run that is refused before leaves nothing.
  void remember_moments() {
    if (!reader_ || request_.store->find(kMoments)) return;
    const std::string hash = folder_hash(self_.moments);
    request_.store->put(kMoments, std::as_bytes(std::span(hash)));
  }
  static bool is_text(std::span<const std::byte> bytes, const std::string& text) {
    return std::ranges::equal(bytes, std::as_bytes(std::span(text)));
  }

  bool holds_sensitivities() const {
    const MomentsManifest& manifest = reader_->manifest();
    return !manifest.maps.empty() && reader_->read(0, map_name(Site::kFfn)).sensitivity.has_value();
  }

  void fill_moments(const SelfOptions& options) {
    StorePart all(*request_.store, kFilling);
    // Another engine goes on from nothing: its bits are others.
    StorePart parts(all, (engine_ ? engine_name() : "") + "/");
    SelfPruner pruner(open_.checkpoint, open_.model, engine_.get(), one_shot(options), parts, progress_);
    collect_moments(pruner, self_.moments);
    all.clear();
    open_moments();
  }

  static SelfOptions one_shot(SelfOptions options) {
    if (options.refit == RefitMode::kSequential) options.refit = RefitMode::kOneShot;
    return options;
  }

  ShrinkPlan plan(SelfPruner& pruner) {
    ShrinkPlan plan = planned_sizes(self_, *request_.selection, open_);
    if (self_.layers > 0) {
      plan.dropped_layers.clear();
      LazyProbe probe([&] {
        return pruner.engine("dropping layers").open_probe(first_tokens(pruner.text(), kProbeTokens));
      });
      run_.dropped = choose_dropped_layers(probe, static_cast<int64_t>(open_.model.layers.size()), self_.layers,
                                           *request_.store, progress_);
      for (const DroppedLayer& dropped : run_.dropped) plan.dropped_layers.push_back(dropped.layer);
      std::sort(plan.dropped_layers.begin(), plan.dropped_layers.end());
    }
    if (self_.allocate == "adaptive") {
      AdaptiveOptions adaptive;
      adaptive.curves = self_.curves == "kl" ? CurveKind::kKl : CurveKind::kError;
      adaptive.unit = self_.budget == "bytes"   ? BudgetUnit::kBytes
                      : self_.budget == "flops" ? BudgetUnit::kFlops
                                                : BudgetUnit::kParams;
      adaptive.width_multiple = width_multiple(self_, *request_.selection, open_.model);
      adaptive.probe_tokens = kProbeTokens;
      const TimedPhase phase(request_.times, "how much each layer can lose");
      run_.adaptive = adaptive_widths(pruner, plan.widths, adaptive);
      plan.widths = run_.adaptive->widths;
    }
    return plan;
  }

  void find_best_mix(SelfPruner& pruner) {
    MixOptions mix;
    mix.total_ratio = *self_.ratio_total;
    mix.width_multiple = width_multiple(self_, *request_.selection, open_.model);
    mix.params_after = [&](const Mask& mask) {
      return measure_size(open_.model, plan_slice(open_.checkpoint, open_.model, mask).tensors).params;
    };
    run_.mix = find_mix(pruner, mix);
    run_.changed = std::move(run_.mix->changed);
    run_.outcome = std::move(run_.mix->outcome);
  }

  void measure(SelfPruner& pruner) {
    if (self_.check > 0) {
      run_.fresh_sequences = self_.check;
      run_.fresh_kl = find_number(*request_.store, kResult);
      if (!run_.fresh_kl) {
        const auto fresh = pruner.fresh_text(self_.check);
        progress_.begin("measuring the result", 1);
        TimedPhase phase(request_.times, "checking the result");
        run_.fresh_kl = measure_changed(*engine_, open_.model, *run_.changed, fresh);
        if (const ModelShape* shape = pruner.shape()) phase.count(WorkKind::kForward, check_flops(*shape, fresh));
        put_number(*request_.store, kResult, *run_.fresh_kl);
        progress_.advance(1);
        progress_.end();
      }
    }
    if (request_.wants_layer_kl) {
      const TimedPhase phase(request_.times, "what each layer costs");
      LazyProbe probe([&] {
        auto some = pruner.fresh_text(std::max(self_.check, kLayerSequences));
        some.resize(kLayerSequences);
        return engine_->open_probe(first_tokens(some, kProbeTokens));
      });
      run_.layer_kl = kl_of_layers(probe, open_.model, *run_.changed, *request_.store, progress_);
    }
  }

  // The dense model's pass, the changed one's, and the head for both.
  double check_flops(const ModelShape& shape, std::span<const std::vector<TokenId>> fresh) const {
    const SourceWork walk = walk_over(fresh);
    const ModelShape smaller = changed_shape(shape, run_.changed->mask());
    return walk.tokens * (forward_flops_per_token(shape, shape.layers.size(), walk.mean_length) +
                          forward_flops_per_token(smaller, smaller.layers.size(), walk.mean_length) + 4 * shape.head_params());
  }

  // Heads are left as they are: what is counted is what the FFNs and layers that stay take.
  static ModelShape changed_shape(ModelShape shape, const Mask& mask) {
    for (size_t l = 0; l < shape.layers.size(); ++l) {
      if (!mask.kept.empty()) shape.layers[l].width = static_cast<int64_t>(mask.kept[l].size());
      if (mask.drops(static_cast<int64_t>(l))) shape.layers[l] = LayerShape{.has_attention = false};
    }
    return shape;
  }

  static constexpr int64_t kProbeTokens = 4096, kLayerSequences = 16;
  inline static const std::string kResult = "result/kl", kMoments = "moments of this run", kFilling = "moments/";

  const SelfRequest& request_;
  const SelfVerbOptions& self_;
  const OpenModel& open_;
  Progress& progress_;
  std::optional<MomentsReader> reader_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Accelerator> accelerator_;  // null: the host chooses and refits
  SelfRun run_;
};

}  // namespace

int64_t own_text_sequences(const SelfVerbOptions& options, const OpenModel& open) {
  if (options.own_text > 0) return options.own_text;
  return open.size().params < kSmallModel ? 256 : 64;
}

RunJournal::Identity calibration_identity(const SelfVerbOptions& options, const SelectionOptions& selection,
                                          const OpenModel& open) {
  RunJournal::Identity identity;
  const bool is_filled = !options.moments.empty() && std::filesystem::exists(options.moments);
  const bool will_be_filled = !options.moments.empty() && !is_filled;
  if (!is_text_file(options) && options.moments.empty()) return identity;
  SelfOptions asked;
  if (is_text_file(options) || will_be_filled) asked = pruner_options(options, selection, open);
  if (is_text_file(options)) identity.emplace_back("the text of --calibration", ids_hash(asked.given));
  if (will_be_filled) identity.emplace_back("the folder of --moments", words_of(asked));
  if (is_filled) identity.emplace_back("the folder of --moments", MomentsReader(options.moments).manifest().source);
  return identity;
}

namespace {

bool is_below_8_bits(const OpenModel& open, const MatrixRef& matrix) {
  if (matrix.tensor.empty()) return false;
  const Dtype stored = open.checkpoint.at(matrix.tensor).stored.spec.dtype;
  return dtype_is_quantised(stored) && stored != Dtype::kQ8_0;
}

}  // namespace

int64_t neuron_steps(const SelfVerbOptions& options, const OpenModel& open) {
  if (options.neuron_steps) return *options.neuron_steps;
  // What is stored in few bits is cut without a loss; new values would take eight.
  if (is_below_8_bits(open, open.model.layers.front().ffn.up)) return 0;
  const int64_t params = open.size().params;
  return params < kTinyModel ? 3 : params < kMediumModel ? 1 : 0;
}

bool keeps_output(const SelfVerbOptions& options, const OpenModel& open) {
  if (options.keep_output) return *options.keep_output;
  return is_below_8_bits(open, open.model.layers.front().attention.output);
}

int64_t width_multiple(const SelfVerbOptions& self, const SelectionOptions& selection, const ModelDescription& model) {
  if (selection.width_multiple > 0) return selection.width_multiple;
  const std::vector<int64_t> widths = model.ffn_widths();
  int64_t multiple = default_width_multiple(model, widths.front());
  if (self.allocate != "adaptive") return multiple;
  const auto divides = [&](int64_t width) { return width % multiple == 0; };
  while (!std::all_of(widths.begin(), widths.end(), divides)) --multiple;  // 1 does
  return multiple;
}

int64_t used_width_multiple(const SelectionOptions& selection, const SelfVerbOptions& self, bool is_self,
                            const OpenModel& open) {
  return is_self ? width_multiple(self, selection, open.model) : width_multiples(selection, open).front();
}

// Layers of their own widths must find a place in a config.json, and their units in the widths.
void require_adaptive_possible(const SelfVerbOptions& self, const SelectionOptions& selection,
                               const ModelDescription& model) {
  const int64_t multiple = width_multiple(self, selection, model), width = model.ffn_widths().front();
  if (self.to_gguf) {
    const bool may_differ = self.from_gguf ? model.keys.deci_refused.empty() : gguf_layers_may_differ(model.family);
    if (!self.pad && !may_differ) {
      fail(ErrorCode::kUnsupported, "--allocate",
           "adaptive gives every layer a width of its own, and llama.cpp wants them alike in '{}' models: fill up with "
           "zero "
           "neurons to one width (--pad), or choose --allocate uniform{}",
           model.family,
           self.from_gguf && gguf_layers_may_differ(model.family) ? " (its folder could go under 'deci')" : "");
    }
    require_shareable_widths(model, multiple);
    return;
  }
  if (!self.pad && !model.keys.deci_refused.empty()) {
    fail(ErrorCode::kUnsupported, "--allocate",
         "adaptive gives every layer a width of its own, and the config.json of {} models states one for all: fill up "
         "with zero "
         "neurons to one width (--pad), or choose --allocate uniform",
         model.family);
  }
  if (!self.pad && multiple % kDeciWidthMultiple != 0) {
    fail(ErrorCode::kBadOption, "--allocate",
         "adaptive gives every layer a width of its own, which this model can state only in the DeciLM layout, in "
         "multiples of {}, "
         "and widths are multiples of {}: {}{}fill up with zero neurons to one width (--pad)",
         kDeciWidthMultiple, multiple,
         gguf_layers_may_differ(model.family) ? "name the output *.gguf (llama.cpp reads any width), or " : "",
         width % kDeciWidthMultiple == 0 ? fmt::format("choose --width-multiple {}, or ", kDeciWidthMultiple) : "");
  }
  require_shareable_widths(model, multiple);
}

ShrinkPlan planned_sizes(const SelfVerbOptions& self, const SelectionOptions& selection, const OpenModel& open) {
  const auto layers = static_cast<int64_t>(open.model.layers.size());
  ShrinkPlan plan;
  if (self.allocate == "adaptive") require_adaptive_possible(self, selection, open.model);
  const int64_t multiple =
      self.allocate == "adaptive" ? width_multiple(self, selection, open.model) : selection.width_multiple;
  const double ratio = selection.ratio.value_or(0);
  plan.widths = kept_widths(open.model, ratio, multiple);
  if (ratio > 0 && self.heads == 0 && self.layers == 0 && plan.widths == open.model.ffn_widths()) {
    const int64_t step = width_multiple(self, selection, open.model), width = open.model.ffn_widths().front();
    fail(ErrorCode::kBadOption, "--ratio",
         "{} of {} neurons rounds to none, as widths are multiples of {}: the least that can go is {:.3g}; "
         "a smaller --width-multiple allows less",
         ratio, width, step, (static_cast<double>(step) / 2 + 1) / static_cast<double>(width));
  }
  if (self.heads > 0) plan.kv_groups = kept_groups_of_layers(self.heads, open.model);
  if (self.layers == 0) return plan;
  if (!open.model.keys.layers_fixed.empty())
    fail(ErrorCode::kUnsupported, "--layers", "{}", open.model.keys.layers_fixed);
  if (self.layers >= layers) {
    fail(ErrorCode::kBadOption, "--layers", "is {}, and {} has {}: at least one must stay", self.layers, open.name(),
         layers);
  }
  for (int64_t layer = layers - self.layers; layer < layers; ++layer) plan.dropped_layers.push_back(layer);
  return plan;
}

SelfRun run_self(const SelfRequest& request, Progress& progress) {
  return SelfRunner(request, progress).run();
}

Json self_options_json(const SelfVerbOptions& options, const OpenModel& open) {
  Json json = {{"calibration", is_text_file(options) ? std::filesystem::path(options.calibration).filename().string()
                                                     : options.calibration}};
  const std::string refit = resolved_refit(options);
  const bool measures = needs_engine(options) && options.moments.empty();  // else the moments' own words say on what
  if (!options.moments.empty()) json["calibration"] = "moments";
  if (measures) {
    json["own_text"] = own_text_sequences(options, open);
    json["tokens"] = options.tokens;
    if (options.calibration == "own-text") json["temperature"] = options.temperature;
    json["weighting"] = options.weighting == "plain" ? "plain" : "loss";
    if (options.weighting != "plain") json["loss_tokens"] = options.sensitivity_tokens;
  }
  if (!measures && needs_engine(options)) json["weighting"] = options.weighting == "plain" ? "plain" : "loss";
  json["refit"] = refit;
  if (refit == "sequential") {
    json["feedback"] = options.feedback;
    json["refit_output"] = !keeps_output(options, open);
  }
  if (refit == "sequential" || (refit == "one-shot" && measures)) {
    json["neuron_steps"] = neuron_steps(options, open);
    json["neuron_iterations"] = options.neuron_iterations;
  }
  json["damping"] = options.damping ? Json(*options.damping) : Json("auto");
  json["allocate"] = options.allocate;
  if (options.allocate == "adaptive") {
    json["curves"] = options.curves;
    json["budget"] = options.budget;
    json["pad"] = options.pad;
  }
  if (options.heads > 0) json["heads"] = options.heads;
  if (options.layers > 0) json["layers"] = options.layers;
  if (options.ratio_total) json["ratio_total"] = *options.ratio_total;
  return json;
}

}  // namespace prunenet::cli
