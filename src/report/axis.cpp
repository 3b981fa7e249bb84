// Scales for the charts: see axis.h.
// Holds: the choice of round numbers.
// Leaves out: drawing.
#include "report/axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "report/text.h"

namespace prunenet {
namespace {

// Keeps differences and powers of ten far from overflow and from denormal numbers.
constexpr double kHuge = 1e250;
constexpr double kTiny = 1e-250;
constexpr size_t kMaxTicks = 12;

double tame(double value) {
  return std::isfinite(value) ? std::clamp(value, -kHuge, kHuge) : 0;
}

// The round number (1, 2 or 5 times a power of ten) nearest above range / target.
double round_step(double range, int target) {
  const double raw = range / std::max(target, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * 1.0000001) return factor * power;
  }
  return 10 * power;
}

// As many digits as the step needs, so that neighbours differ and all ticks look alike.
std::string tick_label(double value, double step) {
  const double size = std::max(std::abs(value), std::abs(step));
  if (std::abs(value) < step * 1e-6) return "0";
  if (size >= 1e5 || step < 1e-4) return format_value(value);
  return format_plain(value, static_cast<int>(std::max(0.0, std::ceil(-std::log10(step) - 1e-9))));
}

void add_tick(Axis& axis, double value, std::string label) {
  if (axis.ticks.size() < kMaxTicks) axis.ticks.push_back({value, axis.position(value), std::move(label)});
}

// Puts the ends in order and apart: equal ends get a quarter of themselves on either side, zeros become 0..1.
void spread_out(double& low, double& high) {
  low = tame(low);
  high = tame(high);
  if (low > high) std::swap(low, high);
  const double size = std::max(std::abs(low), std::abs(high));
  if (size < kTiny) {
    low = 0;
    high = 1;
  } else if (high - low <= size * 1e-9) {
    low -= size / 4;
    high += size / 4;
  }
}

Axis axis_with_step(double low, double high, double step) {
  Axis axis{.low = low, .high = high, .is_log = false, .ticks = {}};
  const double last = std::floor(high / step + 1e-6);
  for (double k = std::ceil(low / step - 1e-6); k <= last && axis.ticks.size() < kMaxTicks; ++k) {
    add_tick(axis, k * step, tick_label(k * step, step));
  }
  return axis;
}

std::string power_label(double value) {
  if (value >= 1e-3 && value < 1e5) return format_plain(value, 4);
  return format_value(value);
}

// Ticks at 1, 10, 100 ..., thinned out to at most six.
void add_decades(Axis& axis) {
  const int first = static_cast<int>(std::ceil(std::log10(axis.low) - 1e-9));
  const int last = static_cast<int>(std::floor(std::log10(axis.high) + 1e-9));
  const int step = std::max(1, (last - first) / 5);
  for (int power = first; power <= last; power += step) {
    const double value = std::pow(10.0, power);
    add_tick(axis, value, power_label(value));
  }
}

// Ticks at 1, 3, 10, 30 ... or at 1, 2, 5, 10 ...
void add_within_decades(Axis& axis, const std::vector<double>& factors) {
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.high)));
  for (int power = first; power <= last; ++power) {
    for (const double factor : factors) {
      const double value = factor * std::pow(10.0, power);
      if (value >= axis.low && value <= axis.high) add_tick(axis, value, power_label(value));
    }
  }
}

}  // namespace

double Axis::position(double value) const {
  if (std::isnan(value) || value <= low) return 0;
  if (value >= high) return 1;
  const double place =
      is_log ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : (value - low) / (high - low);
  return std::isfinite(place) ? std::clamp(place, 0.0, 1.0) : 0;
}

Axis linear_axis(double low, double high, int target_ticks) {
  spread_out(low, high);
  const double step = round_step(high - low, target_ticks);
  const double first = std::floor(low / step + 1e-6), last = std::ceil(high / step - 1e-6);
  return axis_with_step(first * step, last * step, step);
}

Axis padded_axis(double low, double high, int target_ticks) {
  spread_out(low, high);
  const double air = (high - low) * 0.06;
  return axis_with_step(low - air, high + air, round_step(high - low, target_ticks));
}

Axis integer_axis(int64_t low, int64_t high, int target_ticks) {
  Axis axis{.low = static_cast<double>(std::min(low, high)),
            .high = static_cast<double>(std::max(low, high)),
            .is_log = false,
            .ticks = {}};
  if (!(axis.low < axis.high)) {
    axis.low -= 1;
    axis.high += 1;
    // Numbers beyond 2^53 swallow the 1.
    if (!(axis.low < axis.high)) axis.high = axis.low + std::abs(axis.low);
    add_tick(axis, static_cast<double>(low), format_exact(low));
    return axis;
  }
  const double step = std::max(1.0, round_step(axis.high - axis.low, target_ticks));
  for (double k = std::ceil(axis.low / step); k * step <= axis.high && axis.ticks.size() < kMaxTicks; ++k) {
    const double value = k * step;
    add_tick(axis, value, std::abs(value) < 1e15 ? format_exact(static_cast<int64_t>(value)) : format_value(value));
  }
  return axis;
}

Axis log_axis(double low, double high) {
  if (!(low > 0) || !(high >= low)) {
    low = 1;
    high = 10;
  }
  low = std::clamp(low, kTiny, kHuge);
  high = std::clamp(high, kTiny, kHuge);
  // A little air at both ends; a single value gets a factor of two.
  const double inner = std::log10(high) - std::log10(low);
  const double air = inner < 0.004 ? 2 : std::pow(10.0, 0.04 * inner);
  Axis axis{.low = low / air, .high = high * air, .is_log = true, .ticks = {}};
  const double decades = std::log10(axis.high) - std::log10(axis.low);
  if (decades >= 3) {
    add_decades(axis);
  } else if (decades >= 1.7) {
    add_within_decades(axis, {1, 3});
  } else if (decades >= 0.9) {
    add_within_decades(axis, {1, 2, 5});
  } else {
    // Too narrow for powers of ten: round numbers at their logarithmic places.
    for (const Tick& tick : linear_axis(axis.low, axis.high, 4).ticks) {
      if (tick.value >= axis.low && tick.value <= axis.high) add_tick(axis, tick.value, tick.label);
    }
  }
  return axis;
}

}  // namespace prunenet
