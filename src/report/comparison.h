// What the smaller model says differently: the section of a report that compares two models on text.
// Holds: the table of quality and sizes, and the charts of KL by position and over the sequences.
// Leaves out: measuring any of it.
#pragma once

#include <string>

#include "report/report.h"

namespace prunenet {

/// The tiles of KL and perplexity, to stand after those of the totals. Empty without a comparison.
std::string comparison_tiles(const Report& report);

/// The section. Empty without a comparison.
std::string comparison_section(const Report& report);

/// How to read KL, a paragraph for the footer. Empty without a comparison.
std::string comparison_explained(const Report& report);

}  // namespace prunenet
