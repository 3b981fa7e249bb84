// The rule of damping.
#include "surgeon/damping.h"

#include "base/error.h"

namespace prunenet {

Precision resolve(Precision precision, int64_t width) {
  if (precision != Precision::kAuto) return precision;
  return width <= kF64UpToWidth ? Precision::kF64 : Precision::kF32;
}

double automatic_damping(int64_t width, int64_t tokens, Precision precision) {
  PRUNENET_CHECK(width >= 0 && tokens >= 0);
  const double f = static_cast<double>(width);
  const double noise = width == 0 ? 0 : tokens == 0 ? 1 : f / static_cast<double>(tokens);
  const double rounding = resolve(precision, width) == Precision::kF64 ? 0x1p-53 : 0x1p-24;
  return kDampingPerInputAndToken * noise + kDampingFloorInRoundings * f * rounding;
}

double tokens_per_input(int64_t width, int64_t tokens) {
  return static_cast<double>(tokens) / static_cast<double>(width);
}

void fail_no_moments(const std::string& where, double damping) {
  fail(ErrorCode::kMismatch, where,
       "these are no second moments: with {} on a diagonal of 1 they are not positive definite", damping);
}

}  // namespace prunenet
