// Comma-separated values (RFC 4180): fields that hold commas, quotes or line ends stand in double quotes, and a quote
// inside is written twice. A quote in the midst of an unquoted field is a plain character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet {

struct CsvRow {
  std::vector<std::string> fields;
  int64_t line = 0;  // where it begins, from 1
};

/// The rows of `text`; empty lines are left out. Throws kFormat, naming `where` and the line, for a quoted field that
/// does not end or is followed by something else than a comma or the line's end.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where);

}  // namespace prunenet
