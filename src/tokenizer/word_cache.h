// Words that were seen before, with their ids: bounded in size, shared by threads. What it holds never changes a
// result.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"

namespace prunenet::tokenization {

class WordCache {
 public:
  /// Appends the ids of `word` and returns true, where it is known.
  bool append(std::string_view word, std::vector<TokenId>& ids) const;
  /// Remembers a word that is short enough. A shard that is full begins anew.
  void store(std::string_view word, const TokenId* ids, size_t count);

 private:
  static constexpr size_t kShards = 16, kWordsAShard = 4096, kMaxWordBytes = 128;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const { return std::hash<std::string_view>{}(word); }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, std::vector<TokenId>, Hash, std::equal_to<>> words;
  };

  static size_t shard_of(std::string_view word) { return (Hash{}(word) >> 48) % kShards; }

  std::array<Shard, kShards> shards_;
};

}  // namespace prunenet::tokenization
