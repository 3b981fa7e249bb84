// A vocabulary: texts and their ids, both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"

namespace prunenet::tokenization {

class Vocabulary {
 public:
  /// Throws kFormat for two texts of one id, and for an id far beyond the number of texts.
  Vocabulary(std::vector<std::pair<std::string, TokenId>> entries, const std::string& where);

  std::optional<TokenId> find(std::string_view text) const;
  /// The text of an id, nothing for one that has none.
  const std::string* text_of(TokenId id) const;
  /// One more than the largest id.
  TokenId size() const { return static_cast<TokenId>(texts_.size()); }

 private:
  std::vector<std::string> texts_;  // by id
  std::vector<bool> is_used_;
  std::unordered_map<std::string_view, TokenId> ids_;  // of texts_
};

}  // namespace prunenet::tokenization
