// Added tokens: texts that become their own id wherever they stand, past normalizer and model. Finding them follows
// `AddedVocabulary` of the tokenizers library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  bool single_word = false;  // not where a word character stands beside it
  bool lstrip = false;       // takes the spaces before it along
  bool rstrip = false;       // and those behind
  bool normalized = true;    // sought in the normalised text
};

/// A stretch of text, or the added token that stands there.
struct Section {
  Span span;
  std::optional<TokenId> id;
};

/// Finds tokens in a text: at each place the longest one, from left to right. Cost: a step a byte, and more only where
/// a token begins as the text does.
class AddedTokenFinder {
 public:
  AddedTokenFinder();
  ~AddedTokenFinder();
  AddedTokenFinder(AddedTokenFinder&&) noexcept;
  AddedTokenFinder& operator=(AddedTokenFinder&&) noexcept;

  /// Seeks `text` (as it stands in the text to be cut) for `token`; the later of two equal texts counts. Throws kFormat
  /// for a text that is too long.
  void add(std::string_view text, const AddedToken& token, const std::string& where);

  /// The sections of a text, none for the empty one. Special tokens are text unless `parse_special`.
  std::vector<Section> cut(std::string_view text, bool parse_special) const;

 private:
  struct Trie;
  std::unique_ptr<Trie> trie_;
  std::vector<AddedToken> tokens_;
};

}  // namespace prunenet::tokenization
