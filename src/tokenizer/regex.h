// Regular expressions of tokenizer files, on PCRE2 in its Unicode mode. The files are written for Oniguruma with Ruby's
// syntax; what reads otherwise there is refused by name when the expression is compiled, but for one rare class: \w
// takes no marks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {

class Regex {
 public:
  /// Throws kFormat for what is no regular expression, kUnsupported for what means something else in Oniguruma.
  Regex(const std::string& pattern, const std::string& where);
  /// Matches exactly this text.
  static Regex literal(std::string_view text, const std::string& where);

  /// All matches from left to right, without overlap; never an empty one at the end of the one before. `text` is valid
  /// but for escapes. Throws kFormat when the expression needs more steps or memory than any sane one. Safe from
  /// several threads.
  void find_all(std::string_view text, std::vector<Span>& matches) const;

  /// Puts `content` in the place of every match. Throws kFormat where that makes the text many times as long.
  void replace_all(std::string& text, std::string_view content) const;

 private:
  struct Code;
  Regex() = default;

  std::shared_ptr<const Code> code_;  // none: a literal
  std::string literal_;
  std::string where_;
};

/// A `pattern` of a tokenizer file: {"String": literal} or {"Regex": expression}.
Regex read_pattern(const JsonNode& node);

}  // namespace prunenet::tokenization
