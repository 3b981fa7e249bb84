// SpecialTexts: which tokens occur at all is seen in one pass; those are then cut out one after the other.
#include "tokenizer/special_texts.h"

#include <algorithm>

namespace prunenet::tokenization {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";

}  // namespace

SpecialTexts::SpecialTexts(const GgufTokens& tokens) {
  for (TokenId id = 0; id < tokens.size(); ++id) {
    const GgufTokenType type = tokens.type(id);
    const bool is_control = type == GgufTokenType::kControl || type == GgufTokenType::kUnknown;
    if (!is_control && type != GgufTokenType::kUserDefined) continue;
    tokens_.push_back({tokens.text(id), id, is_control, tokens.takes_spaces[static_cast<size_t>(id)]});
  }
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const Token& a, const Token& b) { return a.text.size() > b.text.size(); });
  for (size_t i = 0; i < tokens_.size(); ++i) by_first_[static_cast<unsigned char>(tokens_[i].text[0])].push_back(i);
}

std::vector<size_t> SpecialTexts::occurring(std::string_view text, bool parse_special) const {
  std::vector<size_t> found;
  std::array<bool, 256> seen{};
  for (char c : text) seen[static_cast<unsigned char>(c)] = true;
  for (size_t byte = 0; byte < seen.size(); ++byte) {
    if (!seen[byte]) continue;
    for (size_t i : by_first_[byte]) {
      if (parse_special || !tokens_[i].is_control) found.push_back(i);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Section> SpecialTexts::cut(std::string_view text, bool parse_special) const {
  std::vector<Section> sections;
  if (text.empty()) return sections;
  sections.push_back({{0, text.size()}, std::nullopt});
  for (size_t i : occurring(text, parse_special)) {
    const Token& token = tokens_[i];
    if (text.find(token.text) == text.npos) continue;
    std::vector<Section> cut;
    cut.reserve(sections.size() + 2);
    for (const Section& section : sections) {
      size_t begin = section.span.begin;
      const std::string_view before_end = text.substr(0, section.span.end);
      for (size_t at; !section.id && (at = before_end.find(token.text, begin)) != text.npos;) {
        if (begin < at) cut.push_back({{begin, at}, std::nullopt});
        begin = at + token.text.size();
        cut.push_back({{at, begin}, token.id});
        while (token.takes_spaces && begin < section.span.end && kSpaces.find(text[begin]) != kSpaces.npos) ++begin;
      }
      if (begin < section.span.end) cut.push_back({{begin, section.span.end}, section.id});
    }
    sections = std::move(cut);
  }
  return sections;
}

}  // namespace prunenet::tokenization
