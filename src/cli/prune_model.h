// Pruning as a step of a verb: choose, cut, write. What prune does once, and compare-methods for every method.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/report_data.h"
#include "cli/self_options.h"
#include "cli/sizes.h"

namespace prunenet::cli {

struct PruneOptions : EngineVerbOptions {
  std::string model, output, report, type;  // type: of the matrices of a GGUF output
  bool no_vocabulary = false;               // likewise without the tokenizer
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
  std::vector<int64_t> widths;       // kept, of every layer of the source
  std::vector<int64_t> left_widths;  // of the layers that stay
  SizeChange sizes;
  Choice choice;
  std::vector<LayerSpectra> spectra;  // empty when nobody asked
  std::optional<SelfRun> self;
  std::vector<std::string> not_copied;  // files of the source's folder
  bool uniform = true;
  std::vector<std::string> notes;  // what was said of the files written
  uint64_t file_bytes = 0;  // of the files written
};

/// Options as the artefact states them: what decides the result, in the words of the command line; neither threads nor
/// paths, which do not.
Json options_json(const PruneOptions& options, const OpenModel& open);

/// Chooses, cuts, refits, and writes options.output. Computes spectra where a policy or a report asks for them.
Outcome prune_model(const PruneOptions& options, const OpenModel& open, Progress& progress);

}  // namespace prunenet::cli
