// The tables of the page.
// Holds: layers, options, exact totals.
// Leaves out: charts.
#pragma once

#include <string>
#include <vector>

#include "report/panels.h"
#include "report/report.h"

namespace prunenet {

/// One row for each layer. `spectra`: as for panels_section(). Empty without layers.
std::string layers_section(const Report& report, const std::vector<LayerSpectra>& spectra);

/// The options and the totals in full. Empty if there is neither.
std::string run_section(const Report& report);

}  // namespace prunenet
