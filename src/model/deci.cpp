// The widths of DeciLM.
#include "model/deci.h"

#include <cmath>

#include "base/error.h"

namespace prunenet {

int64_t deci_width(double ffn_mult, int64_t hidden) {
  // In this order, in f64, as the other programs: the last bit may decide.
  const double exact = 2 * ffn_mult * static_cast<double>(hidden) / 3;
  if (!(exact >= 1) || exact >= static_cast<double>(int64_t{1} << 31)) return 0;
  const int64_t whole = static_cast<int64_t>(exact);
  return (whole + kDeciWidthMultiple - 1) / kDeciWidthMultiple * kDeciWidthMultiple;
}

double deci_ffn_mult(int64_t width, int64_t hidden) {
  PRUNENET_CHECK(width > 0 && width % kDeciWidthMultiple == 0 && hidden > 0);
  const double exact = 3 * static_cast<double>(width) / (2 * static_cast<double>(hidden));
  double rounded = std::round(exact * 1e6) / 1e6;
  // Rounded up it may reach over the width by less than one, which the whole number cuts off; by more only where the
  // hidden size is beyond a million.
  if (deci_width(rounded, hidden) != width) rounded = std::floor(exact * 1e6) / 1e6;
  PRUNENET_CHECK(deci_width(rounded, hidden) == width);
  return rounded;
}

}  // namespace prunenet
