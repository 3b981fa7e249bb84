// The merges of byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909): from the symbols of a word, the pair that
// comes first in the list (the leftmost of equals) becomes one symbol, until no pair is in the list.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/token_id.h"

namespace prunenet::tokenization {

class Merges {
 public:
  struct Merge {
    uint32_t rank = 0;
    TokenId result = 0;
  };

  /// Room for `count` merges.
  explicit Merges(size_t count);
  /// Adds the next merge of the list; of two of the same pair the later one counts. Ids are not negative.
  void add(TokenId left, TokenId right, TokenId result);
  /// Adds a merge of a rank of its own: of merges of one rank the leftmost comes first.
  void add(TokenId left, TokenId right, TokenId result, uint32_t rank);

  const Merge* find(TokenId left, TokenId right) const;

  /// Merges the symbols in place. Cost: O(n log n). Safe from several threads.
  void apply(std::vector<TokenId>& symbols) const;

 private:
  struct Slot {
    uint64_t pair = kFree;
    Merge merge;
  };
  static constexpr uint64_t kFree = ~uint64_t{0};

  static uint64_t pair_of(TokenId left, TokenId right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t pair) const { return (pair * 0x9e3779b97f4a7c15u) >> shift_; }

  std::vector<Slot> slots_;  // open addressing, at most half full
  int shift_ = 0;
  size_t count_ = 0;
};

}  // namespace prunenet::tokenization
