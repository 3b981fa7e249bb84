// Human numbers.
#include "cli/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace prunenet::cli {
namespace {

std::string scaled(double value, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  const std::string suffix = units[unit];
  return fmt::format("{:.{}f}{}{}", value, decimals, suffix.empty() ? "" : " ", suffix);
}

}  // namespace

std::string format_bytes(double bytes) { return scaled(bytes, {"B", "kB", "MB", "GB", "TB"}); }
std::string format_count(double count) { return scaled(count, {"", "K", "M", "B", "T"}); }

std::string format_duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 90) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string format_percent(double ratio) {
  return fmt::format("{:.1f} %", std::abs(ratio) < 5e-4 ? 0.0 : 100 * ratio);  // no "-0.0 %"
}

std::string format_widths(const std::vector<int64_t>& widths) {
  const auto [least, most] = std::minmax_element(widths.begin(), widths.end());
  return *least == *most ? fmt::format("{}", *least) : fmt::format("{} to {}", *least, *most);
}

}  // namespace prunenet::cli
