// From what a verb knows to the HTML report.
#pragma once

#include <filesystem>
#include <string>

#include "cli/selection_options.h"
#include "cli/sizes.h"
#include "report/report.h"

namespace prunenet::cli {

/// Singular values of the policy's view of a layer, whole and of its kept rows, and their KS.
struct LayerSpectra {
  std::vector<double> before, after;
  double ks = 0;
};
/// For every layer of the model under a mask. Warns when an eigenvalue computation did not converge.
std::vector<LayerSpectra> layer_spectra(const OpenModel& open, const Mask& mask, RunSpectra& spectra, Progress& progress);

Totals report_totals(const SizeChange& change);

}  // namespace prunenet::cli
