// What a run will cost, before it starts: from the sizes and a short measurement of this machine. A rough figure.
#pragma once

#include <filesystem>

#include "cli/self_options.h"
#include "cli/sizes.h"

namespace prunenet::cli {

/// Speeds of this machine, measured in a fraction of a second.
struct MachineSpeed {
  double flops_per_s = 0;        // matrix products, in the precision of the run
  double memory_bytes_per_s = 0; // streaming read and write
  double write_bytes_per_s = 0;  // to the file system of the output
};
MachineSpeed measure_machine(bool f64, const std::filesystem::path& output_folder);

struct CostEstimate {
  double training_s = 0, writing_s = 0;  // training, or measuring and refitting
  double peak_bytes = 0;
  double total_s() const { return training_s + writing_s; }
};
/// `self`: the options of --method self; null for the others.
CostEstimate estimate_cost(const OpenModel& open, const SelectionOptions& selection, const TrainingOptions& training,
                           const SelfVerbOptions* self, const EngineVerbOptions& engine,
                           const std::vector<int64_t>& widths, const SizeChange& change, const MachineSpeed& speed);

}  // namespace prunenet::cli
