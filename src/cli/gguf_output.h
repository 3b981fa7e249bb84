// A pruned folder that becomes a GGUF file: cut into a passing folder, then converted.
#pragma once

#include <filesystem>

#include "base/output_file.h"
#include "cli/prune_model.h"
#include "convert/to_gguf.h"
#include "slice/slice.h"

namespace prunenet::cli {

/// What would otherwise fail after the work: throws where the output cannot be written, be it a folder or a GGUF file.
void require_prune_possible(const PruneOptions& options, const OpenModel& open);

/// Whether the formats of model and output go together, and the options said of them; sets what the options of
/// --method self know of formats. An empty output: nobody has named one yet. Throws kBadOption, or what wrong use is.
void check_formats(const CLI::App& verb, PruneOptions& options);

/// How a cut folder becomes a GGUF file.
ToGgufOptions gguf_options(const PruneOptions& options, const OpenModel& open);

/// The source is a folder and the output a GGUF file.
bool goes_through_folder(const PruneOptions& options, const OpenModel& open);

class GgufOutput {
 public:
  /// Takes the output's place: no other run writes it while this object lives. Both arguments must outlive it.
  GgufOutput(const PruneOptions& options, const OpenModel& open);

  /// Cuts, converts and puts the file in its place; sets what `outcome` says of files. Nothing is left of a failure.
  /// Throws kNoSpace, before anything is written, unless there is room for the passing folder and the file.
  void write(const SlicePlan& plan, SliceOptions slice, Outcome& outcome, Progress& progress);

 private:
  const PruneOptions& options_;
  const OpenModel& open_;
  OutputFile file_;
};

}  // namespace prunenet::cli
