// WordCache: a few hash tables, each behind its lock.
#include "tokenizer/word_cache.h"

namespace prunenet::tokenization {

bool WordCache::append(std::string_view word, std::vector<TokenId>& ids) const {
  if (word.size() > kMaxWordBytes) return false;
  const Shard& shard = shards_[shard_of(word)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.words.find(word);
  if (found == shard.words.end()) return false;
  ids.insert(ids.end(), found->second.begin(), found->second.end());
  return true;
}

void WordCache::store(std::string_view word, const TokenId* ids, size_t count) {
  if (word.size() > kMaxWordBytes) return;
  Shard& shard = shards_[shard_of(word)];
  const std::lock_guard lock(shard.mutex);
  if (shard.words.size() >= kWordsAShard) shard.words.clear();
  shard.words.emplace(word, std::vector<TokenId>(ids, ids + count));
}

}  // namespace prunenet::tokenization
