// Pruning as a step of a verb: choose, cut, write. What prune does once, and compare-methods for every method.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/run_journal.h"
#include "base/scratch_file.h"
#include "cli/estimate.h"
#include "cli/report_data.h"
#include "cli/self_options.h"
#include "cli/sizes.h"
#include "cost/phase_times.h"

namespace prunenet::cli {

struct PruneOptions : EngineVerbOptions {
  std::string model, output, report, type;  // type: of the matrices of a GGUF output
  bool no_vocabulary = false;               // likewise without the tokenizer
  bool force = false, restart = false;
  // The output and the report that are there are those of this very run, which was stopped just before its end.
  bool own_output = false, own_report = false;
  bool phases = false;  // show where the time went
  double max_shard_gb = 5;
  SelectionOptions selection;
  TrainingOptions training;
  SelfVerbOptions self;

  std::string method_name() const { return selection.mask.empty() ? selection.method : "mask"; }
  bool is_self() const { return method_name() == "self"; }
  bool uses_policy() const { return method_name() == "prunenet"; }
  bool trains() const { return uses_policy() && selection.policy.empty(); }
  /// The runtime module computes, so that another one may give other bits.
  bool computes_with_engine() const {
    const bool on_device = device != "cpu" && (trains() || (is_self() && needs_engine(self)));
    return on_device || (is_self() && runs_model_always(self));
  }
  bool may_replace_output() const { return force || own_output; }
  bool may_replace_report() const { return force || own_report; }
  /// Its parts are worth keeping: the others take no longer than writing.
  bool keeps_parts() const { return is_self() || trains(); }
};

struct Outcome {
  std::unique_ptr<ScratchFile> scratch;  // where `self` refers to one
  std::vector<int64_t> widths;       // kept, of every layer of the source
  std::vector<int64_t> left_widths;  // of the layers that stay
  SizeChange sizes;
  Choice choice;
  std::vector<LayerSpectra> spectra;  // empty when nobody asked
  std::optional<SelfRun> self;
  std::vector<std::string> not_copied;  // files of the source's folder
  bool uniform = true;
  std::vector<std::string> notes;  // what was said of the files written
  PhaseTimes times;
  uint64_t file_bytes = 0;  // of the files written
};

/// The options of plan and prune on how much goes, which method chooses, and how.
void add_choice_options(CLI::App& verb, PruneOptions& options);
/// --max-shard-size of both.
void add_shard_option(CLI::App& verb, PruneOptions& options);
/// What the options of plan and prune have to do with one another: throws kBadOption, or what wrong use is, and sets
/// those that follow from others. An empty output: nobody has named one yet.
void check_prune_options(const CLI::App& verb, PruneOptions& options);

/// Options as the artefact states them: what decides the result, in the words of the command line; neither threads nor
/// paths, which do not, nor what only a report asks for.
Json options_json(const PruneOptions& options, const OpenModel& open);

/// Which run a journal of parts belongs to: all that decides them.
RunJournal::Identity prune_identity(const PruneOptions& options, const OpenModel& open);

/// Throws what --method self would otherwise fail by after the work, as far as options and model tell it. Writes
/// nothing.
void require_self_possible(const PruneOptions& options, const OpenModel& open);

/// The cost of this run, for plan and for prune alike; without an output, one beside the temporary files. The arguments
/// but for `cut` must outlive it. Throws what plan_gguf throws.
CostRequest request_of_prune(const PruneOptions& options, const OpenModel& open, const PlannedCut& cut);

/// Throws, before anything begins, where the run cannot fit this machine: how much it needs, how much there is, and what
/// would fit.
void require_prune_fits(const PruneOptions& options, const OpenModel& open, Progress& progress);

/// Chooses, cuts, refits, and writes options.output. Computes spectra where a policy or a report asks for them. What is
/// finished goes into `store`, and what it holds is not done again; the outcome refers to it.
Outcome prune_model(const PruneOptions& options, const OpenModel& open, ResultStore& store, Progress& progress);
/// The same with a nameless scratch file beside the output, which the outcome owns.
Outcome prune_model(const PruneOptions& options, const OpenModel& open, Progress& progress);

/// The output is there and is what the run whose artefact is `text` (prunenet.json) wrote.
bool is_output_of(const std::string& output, const std::string& text);

}  // namespace prunenet::cli
