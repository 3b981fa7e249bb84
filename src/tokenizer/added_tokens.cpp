// Added tokens: a trie over bytes.
#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

constexpr size_t kMaxTokenBytes = 1024;

bool ends_with_word(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return is_word(code_point_at(text, at).value);
}

// Start of the spaces that end `text`.
size_t trailing_spaces(std::string_view text, size_t not_before) {
  size_t end = text.size();
  while (end > not_before) {
    size_t at = end - 1;
    while (at > not_before && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    if (!is_space(code_point_at(text, at).value)) break;
    end = at;
  }
  return end;
}

size_t leading_spaces(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint point = code_point_at(text, at);
    if (!is_space(point.value)) break;
    at += point.size_bytes;
  }
  return at;
}

}  // namespace

struct AddedTokenFinder::Trie {
  // Node 0 is the root; a child is found by node and byte.
  std::unordered_map<uint64_t, uint32_t> children;
  std::vector<int32_t> token{-1};  // by node: the token that ends there
  std::array<bool, 256> begins{};  // bytes with which a token begins

  struct Found {
    int32_t token = -1;
    size_t size = 0;
  };
  Found longest(std::string_view text) const {
    Found found;
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto child = children.find(uint64_t{node} << 8 | static_cast<unsigned char>(text[i]));
      if (child == children.end()) break;
      node = child->second;
      if (token[node] >= 0) found = {token[node], i + 1};
    }
    return found;
  }
};

AddedTokenFinder::AddedTokenFinder() : trie_(std::make_unique<Trie>()) {}
AddedTokenFinder::~AddedTokenFinder() = default;
AddedTokenFinder::AddedTokenFinder(AddedTokenFinder&&) noexcept = default;
AddedTokenFinder& AddedTokenFinder::operator=(AddedTokenFinder&&) noexcept = default;

void AddedTokenFinder::add(std::string_view text, const AddedToken& token, const std::string& where) {
  if (text.size() > kMaxTokenBytes) {
    fail(ErrorCode::kFormat, where, "added token {} is {} bytes long, expected at most {}", token.id, text.size(),
         kMaxTokenBytes);
  }
  if (text.empty()) return;
  uint32_t node = 0;
  for (char c : text) {
    const uint64_t edge = uint64_t{node} << 8 | static_cast<unsigned char>(c);
    const auto [child, is_new] = trie_->children.emplace(edge, static_cast<uint32_t>(trie_->token.size()));
    if (is_new) trie_->token.push_back(-1);
    node = child->second;
  }
  trie_->begins[static_cast<unsigned char>(text.front())] = true;
  trie_->token[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

std::vector<Section> AddedTokenFinder::cut(std::string_view text, bool parse_special) const {
  std::vector<Section> sections;
  size_t done = 0;  // what lies before is in sections
  for (size_t at = 0; at < text.size();) {
    if (!trie_->begins[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const Trie::Found found = trie_->longest(text.substr(at));
    if (found.token < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found.token)];
    size_t begin = at, end = at + found.size;
    at = end;
    if (token.special && !parse_special) continue;
    if (token.single_word) {
      const bool beside_word = (begin > 0 && ends_with_word(text.substr(0, begin))) ||
                               (end < text.size() && is_word(code_point_at(text, end).value));
      if (beside_word) continue;
    }
    if (token.lstrip) begin = std::min(begin, trailing_spaces(text.substr(0, begin), std::min(begin, done)));
    if (token.rstrip) end = end < done ? done : end + leading_spaces(text.substr(end));
    if (done < begin) sections.push_back({{done, begin}, std::nullopt});
    sections.push_back({{begin, end}, token.id});
    done = std::max(done, end);
  }
  if (done < text.size()) sections.push_back({{done, text.size()}, std::nullopt});
  return sections;
}

}  // namespace prunenet::tokenization
