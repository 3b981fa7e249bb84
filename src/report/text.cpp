// Turning untrusted text and raw numbers into text for the page: see text.h.
// Holds: the UTF-8 checks and the rounding rules.
// Leaves out: any markup.
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace prunenet {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Decoded {
  char32_t code_point = 0;
  size_t length = 0;  // bytes; 0 if the text does not start with a valid sequence
};

// Refuses overlong forms, surrogates and values over U+10FFFF, as browsers do.
Decoded decode_first(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || text.size() < length) return {};
  char32_t code_point = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[length] || code_point > 0x10FFFF) return {};
  if (code_point >= 0xD800 && code_point <= 0xDFFF) return {};
  return {code_point, length};
}

bool is_shown(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  if (c >= 0x7F && c < 0xA0) return false;
  return !(c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069));
}

std::string trim_zeros(std::string digits) {
  if (digits.find('.') == std::string::npos) return digits;
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return digits == "-0" ? "0" : digits;
}

// Puts commas into the digits before the point.
std::string group_digits(std::string digits) {
  const size_t begin = digits.starts_with('-') ? 1 : 0;
  size_t end = digits.find('.');
  if (end == std::string::npos) end = digits.size();
  for (size_t i = end; i > begin + 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

// Three significant digits for 1 <= |value| < 1000.
std::string three_digits(double value) {
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

// `exact_below`: numbers smaller than this are written out in full, with the first unit.
std::string format_scaled(int64_t number, double exact_below, const std::array<std::string_view, 6>& units) {
  double value = static_cast<double>(number);
  size_t unit = 0;
  if (std::abs(value) >= exact_below) {
    // 999.5, not 1000: otherwise 999,999 would be written as "1000 K".
    while (unit + 1 < units.size() && std::abs(value) >= 999.5) {
      value /= 1000;
      ++unit;
    }
  }
  const std::string digits = unit == 0 ? format_exact(number) : group_digits(three_digits(value));
  return units[unit].empty() ? digits : fmt::format("{}\u00A0{}", digits, units[unit]);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const Decoded first = decode_first(text);
    if (first.length == 0 || !is_shown(first.code_point)) {
      out += kReplacement;
    } else {
      switch (first.code_point) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&#39;";
          break;
        default:
          out += text.substr(0, first.length);
      }
    }
    text.remove_prefix(first.length == 0 ? 1 : first.length);
  }
  return out;
}

std::string format_exact(int64_t number) {
  return group_digits(fmt::format("{}", number));
}

std::string format_count(int64_t count) {
  return format_scaled(count, 1e4, {"", "K", "M", "B", "T", "Q"});
}

std::string format_bytes(int64_t bytes) {
  return format_scaled(bytes, 1e3, {"B", "kB", "MB", "GB", "TB", "PB"});
}

std::string format_flops(int64_t flops) {
  return format_scaled(flops, 1e4, {"", "K", "M", "G", "T", "P"});
}

std::string format_value(double value) {
  if (!std::isfinite(value)) return kNoNumber;
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size < 1e-3 || size >= 99950) {
    // fmt writes 1.2e-05; nobody needs the zero.
    const std::string text = fmt::format("{:.2e}", value);
    const size_t e = text.find('e');
    return fmt::format("{}e{}", trim_zeros(text.substr(0, e)), std::stoi(text.substr(e + 1)));
  }
  if (size >= 999.5) return group_digits(fmt::format("{:.0f}", std::round(value / 10) * 10));
  if (size >= 0.9995) return three_digits(value);
  const int zeros = static_cast<int>(std::ceil(-std::log10(size))) - 1;
  return fmt::format("{:.{}f}", value, zeros + 3);
}

std::string format_value(std::optional<double> value) {
  return value ? format_value(*value) : kNoNumber;
}

std::string format_kl(double nats) {
  const double size = std::abs(nats);
  return size >= 1e-5 && size < 1e-3 ? fmt::format("{:.6f}", nats) : format_value(nats);
}

std::string format_with_error(double value, std::optional<double> standard_error) {
  if (!standard_error || !std::isfinite(*standard_error) || *standard_error < 0 || !std::isfinite(value)) {
    return format_kl(value);
  }
  // Two significant digits of either, whichever needs more.
  const auto decimals = [](double number) {
    return number == 0 ? 0 : std::max(0, 1 - static_cast<int>(std::floor(std::log10(std::abs(number)))));
  };
  const double error = *standard_error;
  const int needed = std::max(decimals(value), decimals(error));
  if (needed > 6 || std::max(std::abs(value), error) >= 1000) {
    return fmt::format("{} \u00B1 {}", format_kl(value), format_kl(error));
  }
  return fmt::format("{:.{}f} \u00B1 {:.{}f}", value, needed, error, needed);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return kNoNumber;
  if (seconds < 9.95) return fmt::format("{:.1f}\u00A0s", seconds);
  if (seconds >= 1e9) return format_value(seconds) + "\u00A0s";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 90) return fmt::format("{}\u00A0s", whole);
  if (whole < 3600) return fmt::format("{}\u00A0min\u00A0{:02}\u00A0s", whole / 60, whole % 60);
  return fmt::format("{}\u00A0h\u00A0{:02}\u00A0min", whole / 3600, whole % 3600 / 60);
}

std::string shorten(std::string_view text, size_t max_columns) {
  constexpr char32_t kFirstWide = 0x1100;  // Hangul Jamo: most of what follows is as wide as two letters
  size_t columns = 0, at = 0, fit = 0;     // `fit`: bytes that leave a column for the ellipsis
  while (at < text.size()) {
    const Decoded first = decode_first(text.substr(at));
    columns += first.code_point >= kFirstWide ? 2 : 1;
    if (columns > max_columns) return fmt::format("{}\u2026", text.substr(0, fit));
    at += std::max<size_t>(first.length, 1);
    if (columns < max_columns) fit = at;
  }
  return std::string(text);
}

std::string format_percent(double share) {
  if (!std::isfinite(share)) return kNoNumber;
  const double percent = share * 100;
  if (std::abs(percent) >= 9995) return format_value(percent) + "%";
  return fmt::format("{:.1f}%", percent);
}

std::string format_plain(double value, int decimals) {
  if (!std::isfinite(value)) return "0";
  return trim_zeros(fmt::format("{:.{}f}", value, decimals));
}

}  // namespace prunenet
