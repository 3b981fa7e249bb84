// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace prunenet::cli {

std::string format_bytes(double bytes);        // "13.5 GB" (decimal units)
std::string format_count(double count);        // "6.74 B"
std::string format_duration(double seconds);   // "45 s", "3 min 20 s", "2 h 05 min"
std::string format_percent(double ratio);      // 0.25581 -> "25.6 %"
/// "11008" where all are equal, else "150 to 172".
std::string format_widths(const std::vector<int64_t>& widths);

}  // namespace prunenet::cli
