// The mark that SentencePiece writes for a space, U+2581: from one to the other, and the places between words that it
// shows.
#pragma once

#include <string>
#include <string_view>

namespace prunenet::tokenization {

inline constexpr std::string_view kMark = "\xe2\x96\x81";

/// Appends `text` with a mark for every space.
inline void append_marked(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == ' ') {
      out += kMark;
    } else {
      out += c;
    }
  }
}

/// Appends `text` with a space for every mark.
inline void append_spaced(std::string& out, std::string_view text) {
  for (size_t mark = text.find(kMark); mark != text.npos; mark = text.find(kMark)) {
    out.append(text.substr(0, mark)) += ' ';
    text.remove_prefix(mark + kMark.size());
  }
  out += text;
}

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
