// The curves of singular values, one panel for each layer.
// Holds: the section of small multiples with its legend.
// Leaves out: charts over all layers (charts.h) and the table (tables.h).
#pragma once

#include <string>
#include <vector>

#include "report/report.h"
#include "report/stats.h"

namespace prunenet {

/// A layer's values, cleaned once and used by panel and table.
struct LayerSpectra {
  Spectrum before, after;  // `after` is empty when there is only one model
};

/// `spectra`: one for each of report.layers, in the same order. Empty if no layer has a singular value.
std::string panels_section(const Report& report, const std::vector<LayerSpectra>& spectra);

}  // namespace prunenet
