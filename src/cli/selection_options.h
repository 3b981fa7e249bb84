// The options by which train, plan and prune say how much is to go and who chooses; and the choosing itself.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/verb.h"
#include "model/mask.h"
#include "policy/policy_file.h"
#include "policy/spectrum_base.h"
#include "policy/trainer.h"

namespace prunenet::cli {

struct TrainingOptions {
  int64_t episodes = 20;
  double learning_rate = 1e-3;
  bool kl = false;
  std::string precision = "auto", route = "gram", spectrum = "auto";
  bool no_cache = false;  // of whole layers' spectra
  std::string device = "cpu";  // filled in by the verb, which has the option
  int threads = 0;             // likewise
};
void add_training_options(CLI::App& verb, TrainingOptions& options);

/// --precision: auto takes f64 up to hidden size 1024, f32 above.
bool uses_f64(const TrainingOptions& options, const ModelDescription& model);
SpectrumRoute route_of(const TrainingOptions& options);
/// --spectrum: auto takes exact spectra up to hidden size 2048 and by --route direct, else estimates; on every device, so that
/// artefacts compare. Throws kBadOption where an estimate was asked for with --route direct.
SpectrumMethod spectrum_method(const TrainingOptions& options, const ModelDescription& model);
/// Adds --no-cache.
void add_cache_option(CLI::App& verb, bool& no_cache);
/// Where the spectra of whole layers are kept between runs: PRUNENET_CACHE, else prunenet below XDG_CACHE_HOME or ~/.cache.
/// One that remembers nothing with --no-cache, where no folder is known, or where the variable is empty.
SpectrumCache spectrum_cache(bool no_cache);

struct SelectionOptions {
  std::optional<double> ratio;
  int64_t width_multiple = 0;  // 0: each layer's default
  std::string method = "self", policy, mask, select = "sample";
  uint64_t seed = 42;
  bool whole_blocks = false;
  const CLI::App* verb = nullptr;  // to tell what the user said from the defaults
};
/// --ratio, --width-multiple, --seed.
void add_budget_options(CLI::App& verb, SelectionOptions& options);
/// --method, --policy, --mask, --select, --whole-blocks.
void add_method_options(CLI::App& verb, SelectionOptions& options);

/// Throws kBadOption for options that are missing or contradict each other. To be called while the command line is read, so
/// that it counts as wrong usage; a ratio out of range is the run's own error (kept_width).
/// `reports`: the verb computes spectra for a report, too. `other_cuts`: something else than FFN neurons is to go, so that
/// --ratio is not needed.
void check_selection(const SelectionOptions& options, bool reports = false, bool other_cuts = false);

/// The neurons that share a block of each layer's quantised down matrix, of which --whole-blocks keeps all or none; empty
/// without that option. Throws kBadOption where nothing is quantised, or the width multiple cuts through blocks.
std::vector<int64_t> down_blocks(const SelectionOptions& options, const OpenModel& open);

/// What each layer's kept width is a multiple of: as said, or the default, which --whole-blocks makes a multiple of its
/// blocks. Throws as down_blocks does.
std::vector<int64_t> width_multiples(const SelectionOptions& options, const OpenModel& open);

/// Numbers of neurons to keep in each layer, from the mask file or the ratio. Warns when rounding to the width multiple
/// moves the ratio by more than 5 points.
std::vector<int64_t> planned_widths(const SelectionOptions& options, const OpenModel& open, Progress& progress);

/// The spectra of a run, computed once: training, the artefact and the report look at the same layers.
class RunSpectra {
 public:
  /// `scratch`: where a nameless scratch file may go; its nearest existing folder is taken.
  RunSpectra(const TrainingOptions& options, const ModelDescription& model, std::filesystem::path scratch);
  bool f64() const { return f64_; }
  /// Layers whose whole spectrum the cache held.
  int64_t num_cached() const { return f64_ ? in_f64_->num_cached() : in_f32_->num_cached(); }
  /// The store in the precision of the run: Real is double where f64(), else float.
  template <typename Real>
  SpectrumBase<Real>& store();

 private:
  bool f64_;
  std::optional<SpectrumBase<float>> in_f32_;
  std::optional<SpectrumBase<double>> in_f64_;
};

struct TrainedPolicy {
  PolicyFile file;
  std::vector<EpisodeResult> episodes;
  int64_t best_episode = 0;
  bool estimated = false;  // its KS values
  int64_t first_episode = 0;  // those before it were found in the store
  TrainTimes times;           // of what was done anew; the policy's first parameters count as kept
  int64_t num_cached = 0;     // layers whose whole spectrum the cache held
};
/// Trains a policy on the model, going on from what `store` holds of this run.
TrainedPolicy train_policy(const OpenModel& open, const SelectionOptions& selection, const TrainingOptions& training,
                           const std::vector<int64_t>& widths, RunSpectra& spectra, ResultStore& store,
                           Progress& progress);

struct Choice {
  Mask mask;
  std::optional<TrainedPolicy> trained;     // where the method trained a policy
  std::optional<PolicyFile> policy;         // the one that was used
};
/// `trained`: the policy, where the method trains one.
Choice choose_neurons(const OpenModel& open, const SelectionOptions& selection, const std::vector<int64_t>& widths,
                      std::optional<TrainedPolicy> trained, Progress& progress);

/// SHA-256 over the parameters of a policy.
std::string policy_hash(const PolicyNetwork<float>& network);

}  // namespace prunenet::cli
