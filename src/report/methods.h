// Methods compared at the same size: the section with what each lost, and the tiles that sum it up.
// Holds: the section and the tiles.
// Leaves out: pruning and measuring (the caller's), drawing primitives (svg.h).
#pragma once

#include <string>

#include "report/report.h"

namespace prunenet {

/// Tiles for the head of the page. Empty without methods.
std::string methods_tiles(const Report& report);

/// A chart and a table of Report::methods, both in their order. Empty without methods.
std::string methods_section(const Report& report);

}  // namespace prunenet
