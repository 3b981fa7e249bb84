// Predicted costs as a table and as JSON.
#pragma once

#include "cli/estimate.h"

namespace prunenet::cli {

/// "estimated_s", "estimated_peak_bytes", "estimated_disk_bytes", "fits", "phases" ...
Json cost_json(const CostEstimate& estimate, const Fit& fit);
void print_cost(const CostEstimate& estimate, const Fit& fit);

}  // namespace prunenet::cli
