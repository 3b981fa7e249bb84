// A session: groups of sequences of equal length with their caches.
#pragma once

#include <vector>

#include "runtime/torch_engine.h"

namespace prunenet {

class TorchSession final : public Session {
 public:
  TorchSession(TorchEngine& engine, int64_t sequences, int64_t capacity);

  Logits append(std::span<const std::vector<TokenId>> new_ids) override;
  void keep(std::span<const int64_t> sequences) override;

 private:
  // Sequences that have equally many ids so far; they stay together while they grow alike.
  struct Group {
    std::vector<int64_t> members;  // places in the session, ascending
    KvCache cache;
  };

  Logits compute(std::span<const std::vector<TokenId>> new_ids);
  void split_by_growth(std::span<const std::vector<TokenId>> new_ids);
  void keep_only(Group& group, const std::vector<int64_t>& places) const;
  Group selected(const Group& group, const std::vector<int64_t>& places) const;

  TorchEngine& engine_;
  int64_t sequences_, capacity_;
  std::vector<Group> groups_;
};

}  // namespace prunenet
