// Ratio, multiple, number.
#include "selection/budget.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/deci.h"

namespace prunenet {

int64_t default_width_multiple(int64_t width) { return width >= 4096 ? 256 : width >= 32 ? 32 : 1; }

int64_t default_width_multiple(const ModelDescription& model, int64_t width) {
  if (model.keys.per_layer && width >= kDeciWidthMultiple) return kDeciWidthMultiple;
  return default_width_multiple(width);
}

int64_t kept_width(int64_t width, double ratio, int64_t multiple) {
  if (!(ratio >= 0 && ratio < 1)) {
    fail(ErrorCode::kBadOption, "--ratio", "is {}, expected a number from 0 up to but not including 1", ratio);
  }
  if (multiple < 1) fail(ErrorCode::kBadOption, "--width-multiple", "is {}, expected 1 or more", multiple);
  if (multiple > width) {
    fail(ErrorCode::kBadOption, "--width-multiple", "is {}, larger than the FFN width {}", multiple, width);
  }
  if (ratio == 0) return width;
  const auto wanted = static_cast<int64_t>(std::floor((1 - ratio) * static_cast<double>(width)));
  const int64_t rounded = (2 * wanted + multiple) / (2 * multiple) * multiple;
  return std::clamp(rounded, multiple, width);
}

std::vector<int64_t> kept_widths(const ModelDescription& model, double ratio, int64_t multiple) {
  std::vector<int64_t> widths;
  for (int64_t width : model.ffn_widths()) {
    widths.push_back(kept_width(width, ratio, multiple == 0 ? default_width_multiple(model, width) : multiple));
  }
  return widths;
}

}  // namespace prunenet
