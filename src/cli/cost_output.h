// Predicted costs as a table and as JSON.
#pragma once

#include "cli/estimate.h"
#include "cost/phase_times.h"

namespace prunenet::cli {

/// What stands beside the costs of a run.
struct Outlook {
  Fit fit;
  std::vector<Lighter> lighter;
  std::vector<std::string> refusals;  // what the run would refuse as things stand, in its words
};

/// "estimated_s", "estimated_peak_bytes", "estimated_disk_bytes", "fits", "phases" ...
Json cost_json(const CostEstimate& estimate, const Outlook& outlook);
void print_cost(const CostEstimate& estimate, const Outlook& outlook);

/// A part of a run that is over, beside what its matrix products alone would take on this machine.
struct PhaseRow {
  std::string name;
  double elapsed_s = 0, flops = 0;
  double bound_s = 0;  // flops over the rates of products, measured now; 0: nothing counted, or a device did it
};
/// Measures the rates of products: a tenth of a second. With `bf16`, those of the model are taken to go at twice the
/// rate of f32; that is assumed, not measured. `on_device`: the rates of this machine say nothing. What is left of the
/// total is a row of its own.
std::vector<PhaseRow> phase_rows(const PhaseTimes& times, double total_s, bool bf16, bool on_device = false);
Json phases_json(const std::vector<PhaseRow>& rows);
void print_phases(const std::vector<PhaseRow>& rows);

}  // namespace prunenet::cli
