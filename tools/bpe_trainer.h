// Learns a byte-pair vocabulary in the manner of Llama's sentencepiece tokenizers from text: a space belongs to the
// word after it and is written U+2581, what the vocabulary lacks is spelled in bytes. The result is a tokenizer.json
// that Hugging Face's tokenizers reads; reading such files in general is the tokenizer room's work, not this one's.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/token_id.h"

namespace prunenet {

inline constexpr TokenId kUnknownToken = 0, kBosToken = 1, kEosToken = 2, kFirstByteToken = 3;
inline constexpr TokenId kNewlineToken = kFirstByteToken + '\n';

struct BpeVocabulary {
  std::vector<std::string> pieces;  // by id: <unk>, <s>, </s>, 256 bytes, merged pieces in order of merging, characters
  std::vector<std::pair<std::string, std::string>> merges;  // in order; each makes a piece of its own
};

/// The parts of a text that merges never cross: a word with the space before it, or one other character. Spaces are
/// written as U+2581, and one is put before the text.
std::vector<std::string> bpe_units(std::string_view text);

/// Learns from units and how often each occurs. Merges the most frequent pair of neighbours, the first in byte order
/// among equals, until there are `vocab_size` pieces or no pair occurs twice. Throws kBadOption where the special
/// tokens, the bytes and the characters of the units alone are more than that.
BpeVocabulary train_bpe(const std::map<std::string, int64_t>& unit_counts, int64_t vocab_size);

/// The vocabulary as a tokenizer.json: <s> goes before every text.
std::string bpe_tokenizer_json(const BpeVocabulary& vocabulary);

/// Text to ids with a vocabulary of train_bpe. Remembers the units that it has seen. Not for several threads.
class BpeEncoder {
 public:
  explicit BpeEncoder(BpeVocabulary vocabulary);

  const BpeVocabulary& vocabulary() const { return vocabulary_; }
  /// The ids of a text, <s> left out.
  std::vector<TokenId> encode(std::string_view text);
  /// The text of ids, special tokens left out, without the space that encode put before it.
  std::string decode(std::span<const TokenId> ids) const;

 private:
  std::vector<TokenId> encode_unit(const std::string& unit) const;

  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, TokenId> ids_;
  std::map<std::pair<std::string, std::string>, size_t> ranks_;
  std::unordered_map<std::string, std::vector<TokenId>> seen_;
};

}  // namespace prunenet
