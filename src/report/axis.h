// Scales for the charts: from a value to a place between 0 and 1, with readable ticks.
// Holds: linear and logarithmic axes.
// Leaves out: drawing them (svg.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace prunenet {

struct Tick {
  double value = 0;
  double position = 0;  // 0..1 along the axis
  std::string label;
};

/// A scale over [low, high], which are finite with low < high (and 0 < low if logarithmic).
struct Axis {
  double low = 0, high = 1;
  bool is_log = false;
  std::vector<Tick> ticks;  // ascending

  /// 0 at `low`, 1 at `high`; values outside are moved to the nearer end, NaN to 0.
  double position(double value) const;
};

/// An axis that covers [low, high] with ends on round numbers and about `target_ticks` ticks. Any input gives a usable
/// axis, equal ends included.
Axis linear_axis(double low, double high, int target_ticks);

/// As linear_axis(), but the ends lie just outside the values and not on round numbers: for lines that should fill the
/// plot.
Axis padded_axis(double low, double high, int target_ticks);

/// As linear_axis(), for whole numbers: no tick between two of them, and the ends stay where they are.
Axis integer_axis(int64_t low, int64_t high, int target_ticks);

/// A logarithmic axis around [low, high]; both must be above 0, else it falls back to [1, 10].
Axis log_axis(double low, double high);

}  // namespace prunenet
