// The BPE model of tokenizer.json: a word becomes the ids of its characters, and these are merged. After `BPE` of the
// tokenizers library, byte fallback and the unknown token included.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/merges.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace prunenet::tokenization {

class Bpe {
 public:
  /// A character that is no token, where there is no unknown token either: it is left out before its neighbours are
  /// merged (tokenizers), or after (llama.cpp).
  enum class Strange { kLeftOutBefore, kLeftOutAfter };

  /// Reads `model`. `words_are_bytes`: words come as bytes and are seen in the byte-level alphabet. Throws kUnsupported
  /// for another kind of model, kFormat for merges that name what is not in the vocabulary.
  Bpe(const JsonNode& node, bool words_are_bytes, Strange strange = Strange::kLeftOutBefore);

  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Appends the ids of a word (valid but for escapes). Cost: O(n log n); a step for a word seen before. Safe from
  /// several threads.
  void append_ids(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  void read_merges(const JsonNode& node);
  void append_cached(std::string_view word, std::vector<TokenId>& ids) const;
  void append_characters(std::string_view word, std::vector<TokenId>& symbols) const;
  bool append_bytes(std::string_view bytes, std::vector<TokenId>& symbols) const;
  TokenId character_id(char32_t value) const;

  Vocabulary vocabulary_;
  Merges merges_;
  std::vector<TokenId> low_characters_;                    // by code point, -1: none
  std::unordered_map<char32_t, TokenId> high_characters_;  // and those beyond
  std::vector<TokenId> byte_tokens_;                       // of byte fallback, by byte, -1: none; empty without
  std::optional<TokenId> unknown_;
  bool fuse_unknown_ = false, ignore_merges_ = false, words_are_bytes_ = false;
  bool keeps_gaps_ = false;     // a strange character is kept apart until all is merged
  bool cuts_at_marks_ = false;  // no token but one of marks has a mark (U+2581) behind another character
  mutable WordCache cache_;
};

}  // namespace prunenet::tokenization
