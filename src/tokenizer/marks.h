// The mark that SentencePiece writes for a space, U+2581, and the places between words that it shows.
#pragma once

#include <string>
#include <string_view>

namespace prunenet::tokenization {

inline constexpr std::string_view kMark = "\xe2\x96\x81";

/// Whether a mark stands behind another character. A merge whose result has none reaches across no word's start.
inline bool has_inner_mark(std::string_view text) {
  for (size_t at = text.find(kMark, 1); at != text.npos; at = text.find(kMark, at + kMark.size())) {
    if (at < kMark.size() || text.substr(at - kMark.size(), kMark.size()) != kMark) return true;
  }
  return false;
}

/// Calls `word` for each stretch of the text: it is cut before every mark that stands behind another character.
template <typename Word>
void cut_at_marks(std::string_view text, const Word& word) {
  size_t begin = 0;
  for (size_t at = text.find(kMark); at != text.npos; at = text.find(kMark, at + kMark.size())) {
    const bool behind_mark = at >= begin + kMark.size() && text.substr(at - kMark.size(), kMark.size()) == kMark;
    if (at == begin || behind_mark) continue;
    word(text.substr(begin, at - begin));
    begin = at;
  }
  if (begin < text.size()) word(text.substr(begin));
}

}  // namespace prunenet::tokenization
