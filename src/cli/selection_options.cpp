// Options of the selection, and the road from them to a mask.
#include "cli/selection_options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "base/hash.h"
#include "base/scratch_file.h"
#include "base/system.h"
#include "base/version.h"
#include "calibrate/energy_scorer.h"
#include "cli/engine_options.h"
#include "cli/format.h"
#include "policy/prunenet_scorer.h"
#include "selection/budget.h"
#include "selection/scorer.h"

namespace prunenet::cli {
namespace {

// Throws kBadOption where --spectrum estimate was asked for together with a route that has none.
void require_estimate_possible(const std::string& route) {
  if (route == "direct") {
    fail(ErrorCode::kBadOption, "--spectrum", "estimate looks at Gram matrices: it does not go with --route direct");
  }
}

}  // namespace

void add_training_options(CLI::App& verb, TrainingOptions& options) {
  verb.add_option("--episodes", options.episodes, "Episodes of policy training")->capture_default_str()->check(CLI::Range(1, 1'000'000));
  verb.add_option("--lr", options.learning_rate, "Learning rate of policy training (AdamW), up to 10")
      ->capture_default_str()
      ->check(positive_number(10));
  verb.add_flag("--kl", options.kl, "Add the published divergence from 1/2 to the policy's loss");
  verb.add_option("--precision", options.precision, "Arithmetic of spectra and training: f32, f64, or auto (f64 up to hidden size 1024)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "f32", "f64"}));
  verb.add_option("--route", options.route, "Singular values by Gram matrices, or directly (gesdd: slower, small values exact)")
      ->capture_default_str()
      ->check(CLI::IsMember({"gram", "direct"}));
  verb.add_option("--spectrum", options.spectrum,
                  "KS of a draw in policy training: exact, from all singular values, as published; estimate, from Lanczos "
                  "quadrature, several times faster and within a few percent where it was compared with exact (the error stated "
                  "beside it is a cautious one, about a tenth of KS); or auto: exact up to hidden "
                  "size 2048, where it takes a fraction of a second a layer. The same rule on every device")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "exact", "estimate"}));
  add_cache_option(verb, options.no_cache);
}

void add_cache_option(CLI::App& verb, bool& no_cache) {
  verb.add_flag("--no-cache", no_cache,
                "Compute the spectra of whole layers even where an earlier run left them in the cache (PRUNENET_CACHE, or "
                "~/.cache/prunenet), and leave none there");
}

SpectrumMethod spectrum_method(const TrainingOptions& options, const ModelDescription& model) {
  constexpr int64_t kExactUpTo = 2048;
  const bool direct = options.route == "direct";
  if (options.spectrum == "estimate") {
    require_estimate_possible(options.route);
    return SpectrumMethod::kEstimate;
  }
  const bool exact = options.spectrum == "exact" || direct || model.hidden <= kExactUpTo;
  return exact ? SpectrumMethod::kExact : SpectrumMethod::kEstimate;
}

SpectrumCache spectrum_cache(bool no_cache) {
  if (no_cache) return {};
  if (const char* folder = std::getenv("PRUNENET_CACHE")) return SpectrumCache(folder);
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && std::filesystem::path(cache).is_absolute()) return SpectrumCache(std::filesystem::path(cache) / "prunenet");
  const char* home = std::getenv("HOME");
  if (home == nullptr || !std::filesystem::path(home).is_absolute()) return {};
  return SpectrumCache(std::filesystem::path(home) / ".cache" / "prunenet");
}

bool uses_f64(const TrainingOptions& options, const ModelDescription& model) {
  return options.precision == "f64" || (options.precision == "auto" && model.hidden <= 1024);
}

SpectrumRoute route_of(const TrainingOptions& options) {
  return options.route == "direct" ? SpectrumRoute::kDirect : SpectrumRoute::kGram;
}

RunSpectra::RunSpectra(const TrainingOptions& options, const ModelDescription& model, std::filesystem::path scratch)
    : f64_(uses_f64(options, model)) {
  scratch = nearest_folder(std::move(scratch));
  const SpectrumMethod method = spectrum_method(options, model);
  if (f64_) {
    in_f64_.emplace(scratch, route_of(options), method, spectrum_cache(options.no_cache));
  } else {
    in_f32_.emplace(scratch, route_of(options), method, spectrum_cache(options.no_cache));
  }
}

template <>
SpectrumBase<float>& RunSpectra::store<float>() {
  return in_f32_.value();
}
template <>
SpectrumBase<double>& RunSpectra::store<double>() {
  return in_f64_.value();
}

void add_budget_options(CLI::App& verb, SelectionOptions& options) {
  options.verb = &verb;
  verb.add_option("--ratio", options.ratio, "Share of FFN neurons to remove, 0 to below 1");
  verb.add_option("--width-multiple", options.width_multiple,
                  "Round the kept width to a multiple of this; 0: 256 for widths of 4096 and more, else 32; with "
                  "--allocate adaptive the largest number below that divides the widths")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--seed", options.seed, "Seed of every random draw")->capture_default_str()->check(whole_number());
}

void add_method_options(CLI::App& verb, SelectionOptions& options) {
  verb.add_option("--method", options.method,
                  "Who chooses the neurons: self (calibrated on the model's own text, the others refitted), prunenet (published "
                  "policy, trained on the weights), random, gate-norm, up-norm, down-norm, product (of all norms), or gaussian "
                  "(energy for Gaussian inputs)")
      ->capture_default_str()
      ->check(CLI::IsMember({"self", "prunenet", "random", "gate-norm", "up-norm", "down-norm", "product", "gaussian"}));
  verb.add_option("--policy", options.policy, "Use this policy file (from `prunenet train`) and train none");
  verb.add_option("--mask", options.mask, "Keep the rows listed in this JSON file; decides the width, so no --ratio");
  verb.add_option("--select", options.select, "How the policy chooses: one draw (published) or its top rows")
                              ->capture_default_str()
                              ->check(CLI::IsMember({"sample", "top"}));
  verb.add_flag("--whole-blocks", options.whole_blocks,
                "Of a quantised GGUF file: neurons go in whole blocks of the down matrix (32, or 256), so that no matrix is quantised "
                "anew; a coarser choice");
}

void check_selection(const SelectionOptions& options, bool reports, bool other_cuts) {
  const CLI::App& verb = *options.verb;
  const bool by_policy = options.mask.empty() && options.method == "prunenet";
  if (!options.mask.empty()) {
    refuse_said(verb, {"--ratio", "--width-multiple"}, "the mask decides the width; it does not go with --mask");
    refuse_said(verb, {"--method", "--policy", "--select"}, "the mask chooses the neurons; it does not go with --mask");
  } else if (!options.ratio && !other_cuts) {
    fail(ErrorCode::kBadOption, "--ratio", "is needed: the share of FFN neurons to remove, such as 0.3 (or, with --method self, --ratio-total, --heads or --layers)");
  }
  if (!options.mask.empty() || options.method == "self") {
    refuse_said(verb, {"--whole-blocks"}, options.mask.empty() ? "does not go with --method self, which gives the down matrices new values"
                                                               : "the mask chooses the neurons; it does not go with --mask");
  }
  if (!by_policy) {
    refuse_said(verb, {"--policy", "--select"}, fmt::format("goes with --method prunenet, not {}", options.method));
    if (!reports) refuse_said(verb, {"--precision", "--route", "--no-cache"}, "does nothing here: no spectrum is computed without --method prunenet or --report");
  }
  if (!by_policy || !options.policy.empty()) refuse_said(verb, {"--episodes", "--lr", "--kl", "--spectrum"}, "does nothing here: no policy is trained");
  const auto said = [&](const char* name, const std::string& otherwise) {
    return was_said(verb, name) ? verb.get_option_no_throw(name)->as<std::string>() : otherwise;
  };
  if (said("--spectrum", "auto") == "estimate") require_estimate_possible(said("--route", "gram"));
}

std::vector<int64_t> down_blocks(const SelectionOptions& options, const OpenModel& open) {
  std::vector<int64_t> blocks;
  if (!options.whole_blocks) return blocks;
  for (const LayerDescription& layer : open.model.layers)
    blocks.push_back(dtype_block_elements(open.checkpoint.at(layer.ffn.down.tensor).stored.spec.dtype));
  const int64_t most = *std::max_element(blocks.begin(), blocks.end());
  if (most == 1) {
    fail(ErrorCode::kBadOption, "--whole-blocks", "is for quantised matrices, and the down matrices of '{}' are {}", open.name(),
         dtype_name(open.checkpoint.at(open.model.layers.front().ffn.down.tensor).stored.spec.dtype));
  }
  if (options.width_multiple % most != 0) {
    fail(ErrorCode::kBadOption, "--width-multiple", "is {}, which cuts through the blocks of {} neurons that --whole-blocks keeps", options.width_multiple, most);
  }
  return blocks;
}

std::vector<int64_t> width_multiples(const SelectionOptions& options, const OpenModel& open) {
  const std::vector<int64_t> blocks = down_blocks(options, open);
  std::vector<int64_t> multiples;
  for (size_t i = 0; i < open.model.layers.size(); ++i) {
    const int64_t usual = default_width_multiple(open.model, open.model.layers[i].ffn.neurons.width);
    multiples.push_back(options.width_multiple > 0 ? options.width_multiple
                                                   : std::lcm(usual, blocks.empty() ? 1 : blocks[i]));
  }
  return multiples;
}

std::vector<int64_t> planned_widths(const SelectionOptions& options, const OpenModel& open, Progress& progress) {
  const ModelDescription& model = open.model;
  if (!options.mask.empty()) return read_mask(options.mask, model).kept_widths();
  const std::vector<int64_t> multiples = width_multiples(options, open);
  std::vector<int64_t> widths;
  for (size_t i = 0; i < multiples.size(); ++i)
    widths.push_back(kept_width(model.layers[i].ffn.neurons.width, *options.ratio, multiples[i]));
  double before = 0, after = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    before += static_cast<double>(model.layers[i].ffn.neurons.width);
    after += static_cast<double>(widths[i]);
  }
  const double reached = 1 - after / before;
  if (std::abs(reached - *options.ratio) > std::min(0.05, *options.ratio / 3)) {
    progress.warn(fmt::format("rounding to the width multiple removes {} of the neurons instead of {}; --width-multiple changes it",
                              format_percent(reached), format_percent(*options.ratio)));
  }
  return widths;
}

std::string policy_hash(const PolicyNetwork<float>& network) {
  Sha256 hash;
  const auto add = [&](const auto& values) {
    hash.update(std::as_bytes(std::span(values.data(), static_cast<size_t>(values.size()))));
  };
  add(network.p);
  add(network.b);
  add(network.q);
  return hash.hex_digest();
}

namespace {

template <typename Real>
TrainedPolicy train_with(const OpenModel& open, const SelectionOptions& selection, const TrainingOptions& training,
                         const std::vector<int64_t>& widths, RunSpectra& spectra, ResultStore& store,
                         Progress& progress) {
  CheckpointLayers<Real> layers(open.checkpoint, open.model);
  TrainOptions options;
  options.episodes = training.episodes;
  options.kl = training.kl;
  options.seed = selection.seed;
  AdamWOptions adamw;
  adamw.learning_rate = training.learning_rate;
  const Stopwatch making;
  auto initial = PolicyNetwork<Real>::initial(hidden_units_for(layers), layers.cols(), selection.seed);
  const double making_s = making.elapsed_s();
  std::unique_ptr<PolicyBackend> backend;
  if (const auto accelerator = open_accelerator(training.device, training.threads)) {
    backend = accelerator->policy_backend(layers, initial, {adamw, route_of(training), spectrum_method(training, open.model), kResidentBytes});
  } else {
    backend = std::make_unique<HostBackend<Real>>(layers, spectra.store<Real>(), std::move(initial), adamw);
  }
  TrainResult result = train_prunenet(*backend, widths, options, store, progress);
  if (!result.converged) progress.warn("an eigenvalue computation did not converge; the rewards of this training are not exact");
  TrainedPolicy trained;
  trained.file.network = std::move(result.policy);
  trained.episodes = std::move(result.episodes);
  trained.best_episode = result.best_episode;
  trained.first_episode = result.first_episode;
  trained.times = result.times;
  trained.times.keeping += making_s;
  trained.num_cached = spectra.num_cached();
  return trained;
}

}  // namespace

TrainedPolicy train_policy(const OpenModel& open, const SelectionOptions& selection, const TrainingOptions& training,
                           const std::vector<int64_t>& widths, RunSpectra& spectra, ResultStore& store,
                         Progress& progress) {
  const bool f64 = spectra.f64();
  const bool exact = spectrum_method(training, open.model) == SpectrumMethod::kExact;
  TrainedPolicy trained = f64 ? train_with<double>(open, selection, training, widths, spectra, store, progress)
                              : train_with<float>(open, selection, training, widths, spectra, store, progress);
  trained.estimated = !exact;
  trained.file.metadata = {{"prunenet.version", PRUNENET_VERSION},
                           {"prunenet.method", "prunenet"},
                           {"prunenet.seed", std::to_string(selection.seed)},
                           {"prunenet.ratio", fmt::format("{}", *selection.ratio)},
                           {"prunenet.kept_widths", fmt::format("{}", fmt::join(widths, ","))},
                           {"prunenet.episodes", std::to_string(training.episodes)},
                           {"prunenet.best_episode", std::to_string(trained.best_episode)},
                           {"prunenet.learning_rate", fmt::format("{}", training.learning_rate)},
                           {"prunenet.kl", training.kl ? "true" : "false"},
                           {"prunenet.precision", f64 ? "f64" : "f32"},
                           {"prunenet.route", training.route},
                           {"prunenet.spectrum", exact ? "exact" : "estimate"},
                           {"prunenet.source", open.name()},
                           {"prunenet.source_header_sha256", open.checkpoint.header_hash()}};
  return trained;
}

Choice choose_neurons(const OpenModel& open, const SelectionOptions& selection, const std::vector<int64_t>& widths,
                      std::optional<TrainedPolicy> trained, Progress& progress) {
  Choice choice;
  if (!selection.mask.empty()) {
    choice.mask = read_mask(selection.mask, open.model);
    return choice;
  }
  std::optional<TransformerDescription> transformer;
  std::unique_ptr<NeuronScorer> scorer;
  CheckpointLayers<float> layers(open.checkpoint, open.model);
  if (selection.method == "prunenet") {
    choice.trained = std::move(trained);
    choice.policy = choice.trained ? choice.trained->file : load_policy(selection.policy);
    const PolicySelect how = selection.select == "top" ? PolicySelect::kTop : PolicySelect::kSample;
    scorer = prunenet_scorer(choice.policy->network, layers, how, selection.seed);
  } else if (selection.method == "random") {
    scorer = random_scorer(open.model, selection.seed);
  } else if (selection.method == "gaussian") {
    transformer = describe_transformer(open.checkpoint, open.model);
    scorer = gaussian_energy_scorer(open.checkpoint, open.model, *transformer, {4096, selection.seed});
  } else if (selection.method == "product") {
    scorer = product_scorer(open.checkpoint, open.model);
  } else {
    const NormOf which = selection.method == "gate-norm" ? NormOf::kGate : selection.method == "up-norm" ? NormOf::kUp : NormOf::kDown;
    scorer = norm_scorer(open.checkpoint, open.model, which);
  }
  choice.mask = select(*scorer, widths, progress, down_blocks(selection, open));
  return choice;
}

}  // namespace prunenet::cli
