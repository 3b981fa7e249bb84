// How many neurons a layer keeps: from a ratio and a width multiple to a number.
#pragma once

#include <cstdint>
#include <vector>

#include "model/description.h"

namespace prunenet {

/// The multiple that formats and kernels like: 256 for widths of 4096 and more (GGUF k-quants need rows of 256), else 32;
/// for a layer narrower than that, 1.
int64_t default_width_multiple(int64_t width);

/// The same for a layer of this model: a DeciLM config states nothing but multiples of 256.
int64_t default_width_multiple(const ModelDescription& model, int64_t width);

/// Neurons kept of `width` when `ratio` (0 <= ratio < 1) is removed: floor((1 - ratio) width) as published, rounded to the
/// nearest multiple of `multiple` (a tie keeps more), at least one multiple, at most `width`. A ratio of 0 keeps all.
/// Throws kBadOption: ratio outside [0, 1) or not a number, multiple below 1 or above the width.
int64_t kept_width(int64_t width, double ratio, int64_t multiple);

/// kept_width of every layer; `multiple` 0 means each layer's default.
std::vector<int64_t> kept_widths(const ModelDescription& model, double ratio, int64_t multiple);

}  // namespace prunenet
