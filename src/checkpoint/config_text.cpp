// A scanner that finds where top-level values of a JSON object begin and end. The text has been accepted by a real
// parser before it gets here, so the scanner needs only strings and nesting.
#include "checkpoint/config_text.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void skip_byte_order_mark() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ += 3;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void step() { ++at_; }
  size_t position() const { return at_; }

  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  // A value ends where, outside strings and brackets, a comma or the closing bracket of its parent stands.
  void skip_value() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
      } else if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
        return;
      } else {
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        ++at_;
      }
      if (depth == 0 && (c == '"' || c == '}' || c == ']')) return;
    }
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

struct Span {
  size_t begin, end;
};

constexpr int kMaxDepth = 64;  // no config nests deeper; a hostile one must not exhaust the memory

// A real parser's word that the text is a JSON object.
void require_object(std::string_view json, const std::string& where) {
  const auto bound_depth = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMaxDepth &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
      fail(ErrorCode::kFormat, where, "nested deeper than {} levels", kMaxDepth);
    }
    return true;
  };
  // The parser would take a zero byte for the end of the text and overlook what follows.
  const bool whole = json.find('\0') == json.npos;
  if (!whole || !Json::parse(json, bound_depth, false).is_object()) {
    fail(ErrorCode::kFormat, where, "is not a JSON object");
  }
}

}  // namespace

std::string with_top_level_value(std::string_view json, std::string_view key, std::string_view value,
                                 const std::string& where) {
  require_object(json, where);

  Scanner scanner(json);
  scanner.skip_byte_order_mark();
  scanner.skip_space();
  scanner.step();  // {
  std::optional<Span> found;
  size_t after_last_value = scanner.position();
  bool empty = true;
  for (;;) {
    scanner.skip_space();
    if (scanner.peek() != '"') break;
    const size_t key_begin = scanner.position();
    scanner.skip_string();
    const std::string_view quoted = json.substr(key_begin, scanner.position() - key_begin);
    scanner.skip_space();
    scanner.step();  // :
    scanner.skip_space();
    const size_t value_begin = scanner.position();
    scanner.skip_value();
    after_last_value = scanner.position();
    empty = false;
    if (Json::parse(quoted) == key) found = Span{value_begin, after_last_value};
    scanner.skip_space();
    if (scanner.peek() != ',') break;
    scanner.step();
  }

  std::string changed(json);
  if (found) {
    changed.replace(found->begin, found->end - found->begin, value);
  } else {
    changed.insert(after_last_value, fmt::format("{}\n  {}: {}", empty ? "" : ",", Json(key).dump(), value));
  }
  PRUNENET_CHECK(Json::parse(changed, nullptr, false)[std::string(key)] == Json::parse(value, nullptr, false));
  return changed;
}

}  // namespace prunenet
