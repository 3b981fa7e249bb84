// Reading comma-separated values.
#include "evaluate/csv.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace prunenet {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool at_end() const { return at_ >= text_.size(); }

  CsvRow row() {
    CsvRow row;
    row.line = line_;
    do {
      row.fields.push_back(field());
    } while (take(','));
    take('\r');
    if (!at_end() && !take('\n')) {
      fail(ErrorCode::kFormat, fmt::format("{}:{}", where_, line_), "a quoted field is followed by '{}'", text_[at_]);
    }
    ++line_;
    return row;
  }

 private:
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string field() {
    if (!take('"')) {
      const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
      std::string_view value = text_.substr(at_, end - at_);
      at_ = end;
      if (value.ends_with('\r')) value.remove_suffix(1);
      return std::string(value);
    }
    const int64_t opened = line_;
    std::string value;
    for (;;) {
      const size_t quote = text_.find('"', at_);
      if (quote == text_.npos) {
        fail(ErrorCode::kFormat, fmt::format("{}:{}", where_, opened), "a quoted field begins here and does not end");
      }
      for (const char c : text_.substr(at_, quote - at_)) line_ += c == '\n';
      value += text_.substr(at_, quote - at_);
      at_ = quote + 1;
      if (!take('"')) return value;
      value += '"';
    }
  }

  std::string_view text_;
  std::string where_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvReader reader(text, where);
  std::vector<CsvRow> rows;
  while (!reader.at_end()) {
    CsvRow row = reader.row();
    if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace prunenet
