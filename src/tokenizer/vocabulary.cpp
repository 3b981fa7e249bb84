// Vocabulary: a table by id and a hash by text.
#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/error.h"

namespace prunenet::tokenization {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, TokenId>> entries, const std::string& where) {
  size_t size = 0;
  for (const auto& [text, id] : entries) {
    if (id < 0) fail(ErrorCode::kFormat, where, "'{}' has the id {}", text, id);
    size = std::max(size, static_cast<size_t>(id) + 1);
  }
  // Some files leave ids unused, but none leaves most of them.
  if (size > 4 * entries.size() + 65536) {
    fail(ErrorCode::kFormat, where, "the largest id is {}, but there are only {} tokens", size - 1, entries.size());
  }
  texts_.resize(size);
  is_used_.resize(size);
  ids_.reserve(entries.size());
  for (auto& [text, id] : entries) {
    const auto at = static_cast<size_t>(id);
    if (is_used_[at]) fail(ErrorCode::kFormat, where, "'{}' and '{}' have the same id {}", texts_[at], text, id);
    is_used_[at] = true;
    texts_[at] = std::move(text);
    ids_.emplace(texts_[at], id);
  }
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  const auto found = ids_.find(text);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* Vocabulary::text_of(TokenId id) const {
  if (id < 0 || id >= size() || !is_used_[static_cast<size_t>(id)]) return nullptr;
  return &texts_[static_cast<size_t>(id)];
}

}  // namespace prunenet::tokenization
