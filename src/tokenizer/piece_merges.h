// Pieces with scores, as llama.cpp merges them: from the characters of a text, the pair whose text is the piece of the
// highest score (the leftmost of equals) becomes one symbol, until no pair is a piece; characters that are none become
// byte tokens. Unlike the sentencepiece library it takes every token for a piece, whatever its type.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/gguf_tokens.h"
#include "tokenizer/merges.h"
#include "tokenizer/word_cache.h"

namespace prunenet::tokenization {

/// Bytes of the character at the front of a text that is not empty: what its first byte says, whatever follows.
size_t piece_character_size(std::string_view text);

/// Two symbols that make a token. Ids from the size of the vocabulary on are single characters that are no token.
struct PieceSplit {
  TokenId left = 0, right = 0, result = 0;
};

/// All of them, by the id of the result; `inner` receives the characters that are no token, in the order of their ids.
std::vector<PieceSplit> piece_splits(const GgufTokens& tokens, std::vector<std::string>& inner);

class PieceMerges {
 public:
  explicit PieceMerges(const GgufTokens& tokens);

  /// Appends the ids of a text with marks for spaces. Cost: O(n log n); a step for a word seen before. Safe from
  /// several threads.
  void append_ids(std::string_view text, std::vector<TokenId>& ids) const;

 private:
  void append_cached(std::string_view word, std::vector<TokenId>& ids) const;
  void append_bytes(std::string_view character, std::vector<TokenId>& ids) const;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  TokenId size_ = 0;
  std::vector<std::string> inner_;  // characters that are no token, but part of one: their ids go on from size_
  std::unordered_map<std::string, TokenId, Hash, std::equal_to<>> characters_;
  std::vector<TokenId> bytes_;  // by byte, -1: none
  TokenId unknown_ = -1;
  Merges merges_;
  bool cuts_at_marks_ = true;
  mutable WordCache cache_;
};

}  // namespace prunenet::tokenization
