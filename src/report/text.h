// Turning untrusted text and raw numbers into text for the page.
// Holds: HTML escaping, and numbers formatted for people.
// Leaves out: any markup.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prunenet {

/// What stands for a number that is not known or not finite.
inline constexpr const char* kNoNumber = "\u2013";

/// Makes text safe inside an element and inside a quoted attribute. Bytes that are not UTF-8, control characters and
/// text-direction overrides become U+FFFD, so that a file name can neither break the page nor disguise itself.
std::string escape_html(std::string_view text);

/// A whole number with thousands separators: 11,008.
std::string format_exact(int64_t number);

/// A count with three significant digits: 9,999 as it is, then 260 K, 1.35 B, 2.10 T.
std::string format_count(int64_t count);

/// Bytes in decimal units: 512 B, 1.05 MB, 13.5 GB.
std::string format_bytes(int64_t bytes);

/// Floating-point operations: 512, 1.05 M, 13.5 G.
std::string format_flops(int64_t flops);

/// A measured number with three significant digits: 0.0312, 1.35, 123, 12,300, 1.2e-5; a dash if it is not finite.
std::string format_value(double value);
std::string format_value(std::optional<double> value);

/// As format_value(), but without powers of ten where a KL of interest has none: 0.000230 and 0.0312 are neighbours.
std::string format_kl(double nats);

/// A measured number and its standard error, with the same digits after the point: 0.311 ± 0.012. The number alone,
/// as by format_kl(), if there is no error that is finite and at least 0.
std::string format_with_error(double value, std::optional<double> standard_error);

/// A time for people: 0.4 s, 75 s, 2 min 05 s, 3 h 10 min; a dash if it is not finite or below 0.
std::string format_duration(double seconds);

/// Text in at most `max_columns` columns (at least 1), the last one an ellipsis if something was cut off. Counts code
/// points, those of wide scripts twice; bytes that are not UTF-8 stay as they are and count once.
std::string shorten(std::string_view text, size_t max_columns);

/// A share (0.421 becomes 42.1%); a dash if it is not finite.
std::string format_percent(double share);

/// A number for an attribute: at most `decimals` digits after the point, no trailing zeros, 0 if it is not finite.
std::string format_plain(double value, int decimals);

}  // namespace prunenet
