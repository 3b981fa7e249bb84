// Options of self-calibrated pruning.
#include "cli/self_options.h"

#include "base/error.h"
#include "cli/format.h"

namespace prunenet::cli {
namespace {

CLI::Validator share(bool with_one) {
  const auto problem = [with_one](std::string& text) {
    double value = 0;
    if (!CLI::detail::lexical_cast(text, value) || !(value >= 0) || !(with_one ? value <= 1 : value < 1))
      return "'" + text + "' is no number from 0 to " + (with_one ? "1" : "below 1");
    return std::string();
  };
  return CLI::Validator(problem, with_one ? "0..1" : "0..<1");
}

// What goes with --method self alone, but for what also says how much is to go.
constexpr const char* kSelfOnly[] = {"--calibration",
                                     "--own-text",
                                     "--tokens",
                                     "--temperature",
                                     "--moments",
                                     "--refit",
                                     "--no-refit",
                                     "--feedback",
                                     "--damping",
                                     "--weighting",
                                     "--loss-tokens",
                                     "--neuron-steps",
                                     "--neuron-iterations",
                                     "--keep-output",
                                     "--allocate",
                                     "--curves",
                                     "--budget",
                                     "--pad",
                                     "--heads",
                                     "--layers",
                                     "--ratio-total",
                                     "--check",
                                     "--dtype",
                                     "--stream"};

}  // namespace

std::string resolved_refit(const SelfVerbOptions& options) {
  if (options.no_refit) return "none";
  if (options.refit != "auto") return options.refit;
  return needs_engine(options) && options.moments.empty() ? "sequential" : "one-shot";
}

bool needs_engine(const SelfVerbOptions& options) {
  return options.calibration != "gaussian";
}

bool runs_model_always(const SelfVerbOptions& options) {
  if (!needs_engine(options)) return false;
  return options.moments.empty() || resolved_refit(options) == "sequential" ||
         (options.check_said && options.check > 0) || (options.allocate == "adaptive" && options.curves == "kl");
}

bool will_run_model(const SelfVerbOptions& options) {
  const bool has_moments = !options.moments.empty() && std::filesystem::exists(options.moments);
  return needs_engine(options) && (!has_moments || runs_model_always(options));
}

void add_self_options(CLI::App& verb, SelfVerbOptions& options) {
  const char* group = "Options of --method self";
  const auto count = [](int64_t least) { return CLI::Range(least, int64_t{1'000'000}); };
  const auto add = [&](const char* name, auto& value, const char* help) {
    return verb.add_option(name, value, help)->group(group);
  };
  add("--calibration", options.calibration,
      "What the model is measured on: own-text (it writes itself), random-tokens, gaussian (inputs of each FFN; runs "
      "no "
      "model), or a text file")
      ->capture_default_str();
  add("--own-text", options.own_text,
      "Sequences of own text or random tokens, or windows of the file; unless said, 256 for models below 200 M "
      "parameters, else 64")
      ->check(count(1));
  add("--tokens", options.tokens, "Tokens of a sequence, its first included; at most the context's")
      ->capture_default_str()
      ->check(count(2));
  add("--temperature", options.temperature, "Temperature of own text")
      ->capture_default_str()
      ->check(positive_number(100));
  add("--moments", options.moments,
      "Folder of moments: used where it exists (no text is run), else filled from the dense model and then used");
  add("--refit", options.refit,
      "Least squares for what stays: sequential (on what the pruned layers before give), one-shot (on the dense "
      "model's "
      "moments), none; auto is sequential where text is run, else one-shot")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "sequential", "one-shot", "none"}));
  verb.add_flag("--no-refit", options.no_refit, "The same as --refit none")->group(group);
  add("--neuron-steps", options.neuron_steps,
      "Gauss-Newton steps that refit gate, up and down of a layer together; 0: down alone. Unless said, 3 for models "
      "below "
      "20 M parameters, 1 below 2 G, else 0; 0 for gate and up in fewer than 8 bits, and always where no text is run")
      ->check(CLI::Range(int64_t{0}, int64_t{100}));
  add("--neuron-iterations", options.neuron_iterations, "Iterations of conjugate gradients in each of these steps")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  verb.add_flag("--keep-output,!--refit-output", options.keep_output,
                "Leave attention's output projections as they are where no head goes; unless said, those that are quantised "
                "to fewer than 8 bits stay, since new values take 8")
      ->group(group);
  add("--feedback", options.feedback,
      "How far a sequential refit repairs what the layers before have lost: 0 not at all, 1 in full")
      ->capture_default_str()
      ->check(share(true));
  add("--damping", options.damping,
      "Ridge of the surgeon and of the refit, relative to each input's energy; automatic unless said")
      ->check(positive_number(1e6));
  add("--weighting", options.weighting,
      "How errors count in the choice: loss (by what the loss feels; a backward pass), plain; auto is loss where text "
      "is run")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "loss", "plain"}));
  add("--loss-tokens", options.sensitivity_tokens, "Tokens of the text that what the loss feels is measured on")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 40));
  add("--allocate", options.allocate, "How much each layer loses: uniform, or adaptive (by curves, an exact knapsack)")
      ->capture_default_str()
      ->check(CLI::IsMember({"uniform", "adaptive"}));
  add("--curves", options.curves, "Of --allocate adaptive: kl (measured, layer by layer) or error (of the surgeon)")
      ->capture_default_str()
      ->check(CLI::IsMember({"kl", "error"}));
  add("--budget", options.budget, "Of --allocate adaptive: what is shared out: params, bytes or flops")
      ->capture_default_str()
      ->check(CLI::IsMember({"params", "bytes", "flops"}));
  verb.add_flag(
          "--pad", options.pad,
          "Of --allocate adaptive: fill narrower layers with zero neurons, so that stock programs load the folder")
      ->group(group);
  add("--heads", options.heads,
      "Share of the KV groups (a key-value head with its query heads) to remove from every layer")
      ->capture_default_str()
      ->check(share(false));
  add("--layers", options.layers, "Whole layers to remove: those whose absence costs least")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{100'000}));
  add("--ratio-total", options.ratio_total,
      "Share of all parameters to remove; finds the best mix of neurons, heads and layers by what it costs")
      ->check(share(false));
  add("--check", options.check,
      "Sequences of fresh own text that the result is measured on (those of compare with the same seed); 0: none")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}));
}

void check_self_options(const CLI::App& verb, const SelfVerbOptions& options, bool is_self) {
  const auto refuse = [&](std::initializer_list<const char*> names, const std::string& why) {
    refuse_said(verb, names, why);
  };
  if (!is_self) {
    for (const char* name : kSelfOnly) refuse({name}, "goes with --method self");
    return;
  }
  const std::string refit = resolved_refit(options);
  if (options.no_refit && was_said(verb, "--refit")) fail(ErrorCode::kBadOption, "--no-refit", "contradicts --refit");
  if (options.calibration == "gaussian") {
    refuse({"--own-text", "--tokens", "--temperature", "--loss-tokens", "--check", "--heads", "--layers",
            "--ratio-total", "--neuron-steps", "--dtype", "--device", "--stream"},
           "needs the model to be run, and --calibration gaussian runs none");
    if (refit == "sequential")
      fail(ErrorCode::kBadOption, "--refit", "sequential follows a text, and --calibration gaussian has none");
    if (options.weighting == "loss")
      fail(ErrorCode::kBadOption, "--weighting", "loss needs a text, and --calibration gaussian has none");
    if (options.allocate == "adaptive" && options.curves == "kl") {
      fail(ErrorCode::kBadOption, "--allocate",
           "adaptive by KL needs the model to be run, and --calibration gaussian runs none: use --curves error");
    }
  }
  if (options.calibration != "own-text") refuse({"--temperature"}, "goes with own text");
  if (refit != "sequential") refuse({"--feedback", "--keep-output"}, "goes with a sequential refit");
  if (refit == "none") refuse({"--neuron-steps", "--neuron-iterations"}, "goes with a refit");
  if (options.neuron_steps == 0) refuse({"--neuron-iterations"}, "goes with --neuron-steps of 1 or more");
  if (!needs_engine(options))
    refuse({"--neuron-iterations"}, "needs the model to be run, and --calibration gaussian runs none");
  if (!options.moments.empty() && refit != "sequential")
    refuse({"--neuron-steps", "--neuron-iterations"},
           "needs the text itself; with --moments it goes with --refit sequential alone");
  if (options.weighting == "plain") refuse({"--loss-tokens"}, "goes with --weighting loss");
  if (options.allocate != "adaptive") refuse({"--curves", "--budget", "--pad"}, "goes with --allocate adaptive");
  if (options.ratio_total) {
    refuse({"--ratio", "--heads", "--layers"}, "is for --ratio-total to find");
    if (options.allocate == "adaptive")
      fail(ErrorCode::kBadOption, "--allocate", "--ratio-total finds uniform widths; adaptive does not go with it");
  }
  if (!options.moments.empty() && options.layers > 0)
    fail(ErrorCode::kBadOption, "--layers", "does not go with --moments: they say nothing of whole layers");
  if (!options.moments.empty() && options.ratio_total)
    fail(ErrorCode::kBadOption, "--ratio-total", "does not go with --moments");
  if (options.layers > 0 && options.allocate == "adaptive")
    fail(ErrorCode::kBadOption, "--layers", "does not go with --allocate adaptive");
}

}  // namespace prunenet::cli
