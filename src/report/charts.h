// The charts over all layers and over the policy's training.
// Holds: KS and kept width for each layer, reward and KS for each episode.
// Leaves out: the curves of single layers (panels.h).
#pragma once

#include <string>

#include "report/report.h"

namespace prunenet {

/// The section with one bar for each layer: KS, and the share of FFN neurons kept. Empty if neither is known.
std::string overview_section(const Report& report);

/// The section with the training history. Empty without episodes.
std::string history_section(const Report& report);

}  // namespace prunenet
