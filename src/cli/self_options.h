// The options of self-calibrated pruning, and running it by them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/run_journal.h"
#include "calibrate/allocation.h"
#include "calibrate/mix.h"
#include "calibrate/self_pruner.h"
#include "cli/engine_options.h"
#include "cli/selection_options.h"

namespace prunenet::cli {

struct SelfVerbOptions {
  std::string calibration = "own-text", moments, refit = "auto", weighting = "auto", allocate = "uniform",
              curves = "kl", budget = "params";
  bool no_refit = false, pad = false;
  std::optional<bool> keep_output;
  bool to_gguf = false;     // the result is a GGUF file, where layers may differ otherwise than in config.json
  bool from_gguf = false;   // and so is the source
  bool check_said = false;  // the result is to be measured even where nothing else runs the model
  int64_t own_text = 0;     // 0: by the size of the model
  int64_t tokens = 256, sensitivity_tokens = 65536, check = 32;
  std::optional<int64_t> neuron_steps;
  int64_t neuron_iterations = 10;
  double temperature = 1, feedback = 0.5;
  std::optional<double> damping, ratio_total;
  double heads = 0;
  int64_t layers = 0;
};
/// The options that go with --method self alone.
void add_self_options(CLI::App& verb, SelfVerbOptions& options);
/// Throws kBadOption for what contradicts itself or would do nothing; `is_self`: the method is self. To be called while
/// the command line is read.
void check_self_options(const CLI::App& verb, const SelfVerbOptions& options, bool is_self);
/// Whether the run measures with the engine: Gaussian inputs do without.
bool needs_engine(const SelfVerbOptions& options);
/// Whether it does so even where --moments exist already.
bool runs_model_always(const SelfVerbOptions& options);
/// Whether it does so now: those that exist spare it what only fills them.
bool will_run_model(const SelfVerbOptions& options);
/// sequential, one-shot or none.
std::string resolved_refit(const SelfVerbOptions& options);

/// What `--method self` came to.
struct SelfRun {
  std::unique_ptr<ChangedModel> changed;
  ShrinkOutcome outcome;
  std::string calibration;  // in words
  bool refits = true;
  std::optional<double> fresh_kl;  // KL(dense || pruned) on own text that nothing was fitted to
  int64_t fresh_sequences = 0;
  std::vector<double> layer_kl;  // of each layer alone; where a report asked for it
  std::optional<AdaptiveWidths> adaptive;
  std::vector<DroppedLayer> dropped;  // in the order in which they went
  std::optional<Mix> mix;
};
/// All pointers must be set and outlive the call.
struct SelfRequest {
  const OpenModel* open = nullptr;
  const SelfVerbOptions* self = nullptr;
  const SelectionOptions* selection = nullptr;
  const EngineVerbOptions* engine = nullptr;
  ResultStore* store = nullptr;  // of this run: what it holds is not done again; what the result refers to is in it
  bool wants_layer_kl = false;
  PhaseTimes* times = nullptr;  // may be null: nobody asks where the time goes
};
/// Widths are multiples of this: as said, or the default. Where layers share the loss, it divides every width.
int64_t width_multiple(const SelfVerbOptions& self, const SelectionOptions& selection, const ModelDescription& model);
/// The same for every method: whole blocks and layers that share the loss have multiples of their own.
int64_t used_width_multiple(const SelectionOptions& selection, const SelfVerbOptions& self, bool is_self,
                            const OpenModel& open);
/// What is to go, in numbers: widths, KV groups, and as many layers (the last ones stand for those that will be
/// chosen). Throws kUnsupported, kBadOption where the model cannot lose that. Where layers are to share the loss:
/// throws for widths that they cannot have.
void require_adaptive_possible(const SelfVerbOptions& self, const SelectionOptions& selection,
                               const ModelDescription& model);
ShrinkPlan planned_sizes(const SelfVerbOptions& self, const SelectionOptions& selection, const OpenModel& open);

SelfRun run_self(const SelfRequest& request, Progress& progress);

/// The defaults that depend on the model.
int64_t own_text_sequences(const SelfVerbOptions& options, const OpenModel& open);
int64_t neuron_steps(const SelfVerbOptions& options, const OpenModel& open);
bool keeps_output(const SelfVerbOptions& options, const OpenModel& open);

/// What a run is measured on, as far as no option says it: the ids of a given text (hashed), and what the folder of
/// moments is of, or will be where there is none yet. A run that fills the folder and one that finds it say the same.
/// Throws for a text or a folder that cannot be read.
RunJournal::Identity calibration_identity(const SelfVerbOptions& options, const SelectionOptions& selection,
                                          const OpenModel& open);

/// What decides the result, for the artefact.
Json self_options_json(const SelfVerbOptions& options, const OpenModel& open);

}  // namespace prunenet::cli
