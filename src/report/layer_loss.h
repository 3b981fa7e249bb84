// What each layer lost when it was cut: the section with errors before and after the refit and the KL of single layers.
// Holds: the section.
// Leaves out: measuring (the caller's), drawing primitives (svg.h).
#pragma once

#include <string>

#include "report/report.h"

namespace prunenet {

/// Charts and a table of Report::sites and Report::layer_kl. Empty if both are.
std::string layer_loss_section(const Report& report);

}  // namespace prunenet
