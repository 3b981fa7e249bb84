// What choosing and refitting take beside their matrix products, by running both on a small map.
#pragma once

#include <cstdint>

#include "cost/work.h"

namespace prunenet {

/// Measures kSquaresF32 or kSquaresF64 where `work` has some: on a map of `width` inputs at most (0: as large as is
/// quick), what takes longer than the products, which go at the rate in `speeds`. Below a second each.
void measure_surgeon(const Work& work, int64_t width, Speeds& speeds);

}  // namespace prunenet
