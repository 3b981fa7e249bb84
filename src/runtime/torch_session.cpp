// Continuing sequences with a cache of keys and values.
#include "runtime/torch_session.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "runtime/guard.h"

namespace prunenet {

TorchSession::TorchSession(TorchEngine& engine, int64_t sequences, int64_t capacity)
    : engine_(engine), sequences_(sequences), capacity_(capacity) {
  Group all;
  all.members.resize(static_cast<size_t>(sequences));
  std::iota(all.members.begin(), all.members.end(), 0);
  groups_.push_back(std::move(all));  // its cache comes with the first ids, once it is known who stays together
}

// `places`: indices into group.members, ascending. The caches move together within their own memory: a copy beside them
// would double what continuing texts takes.
void TorchSession::keep_only(Group& group, const std::vector<int64_t>& places) const {
  const auto move_together = [&](at::Tensor& cache) {
    for (size_t i = 0; i < places.size(); ++i) {
      const auto to = static_cast<int64_t>(i);
      if (places[i] != to)
        cache.select(0, to)
            .narrow(1, 0, group.cache.past)
            .copy_(cache.select(0, places[i]).narrow(1, 0, group.cache.past));
    }
    cache = cache.narrow(0, 0, static_cast<int64_t>(places.size()));
  };
  for (at::Tensor& keys : group.cache.keys) move_together(keys);
  for (at::Tensor& values : group.cache.values) move_together(values);
}

// `places`: indices into group.members.
TorchSession::Group TorchSession::selected(const Group& group, const std::vector<int64_t>& places) const {
  Group result;
  for (int64_t place : places) result.members.push_back(group.members[static_cast<size_t>(place)]);
  result.cache.past = group.cache.past;
  result.cache.capacity = group.cache.capacity;
  if (group.cache.keys.empty()) return result;
  const at::Tensor index = at::tensor(places, at::kLong).to(group.cache.keys.front().device());
  for (size_t layer = 0; layer < group.cache.keys.size(); ++layer) {
    result.cache.keys.push_back(group.cache.keys[layer].index_select(0, index));
    result.cache.values.push_back(group.cache.values[layer].index_select(0, index));
  }
  return result;
}

void TorchSession::split_by_growth(std::span<const std::vector<TokenId>> new_ids) {
  std::vector<Group> split;
  for (Group& group : groups_) {
    std::map<size_t, std::vector<int64_t>> by_length;
    for (size_t i = 0; i < group.members.size(); ++i) {
      by_length[new_ids[static_cast<size_t>(group.members[i])].size()].push_back(static_cast<int64_t>(i));
    }
    if (by_length.size() == 1) {
      split.push_back(std::move(group));
      continue;
    }
    for (const auto& [length, places] : by_length) split.push_back(selected(group, places));
  }
  groups_ = std::move(split);
}

Logits TorchSession::append(std::span<const std::vector<TokenId>> new_ids) {
  return guarded(engine_.where(), [&] { return compute(new_ids); });
}

Logits TorchSession::compute(std::span<const std::vector<TokenId>> new_ids) {
  const at::NoGradGuard no_grad;
  PRUNENET_CHECK(static_cast<int64_t>(new_ids.size()) == sequences_);
  for (const Group& group : groups_) {
    for (int64_t member : group.members) {
      const auto& ids = new_ids[static_cast<size_t>(member)];
      if (ids.empty()) fail(ErrorCode::kBadOption, engine_.where(), "sequence {} is empty", member);
      engine_.require_ids(ids, static_cast<size_t>(member));
      const int64_t length = group.cache.past + static_cast<int64_t>(ids.size());
      if (length > capacity_) {
        fail(ErrorCode::kBadOption, engine_.where(),
             "sequence {} would grow to {} ids, beyond the {} that were asked for", member, length, capacity_);
      }
    }
  }
  split_by_growth(new_ids);

  Chunk chunk;
  std::vector<int64_t> packed, last(static_cast<size_t>(sequences_));  // the row of each sequence's last id
  for (Group& group : groups_) {
    if (group.cache.keys.empty())
      group.cache = engine_.transformer().make_cache(static_cast<int64_t>(group.members.size()), capacity_);
    for (int64_t member : group.members) {
      const auto& ids = new_ids[static_cast<size_t>(member)];
      packed.insert(packed.end(), ids.begin(), ids.end());
      last[static_cast<size_t>(member)] = static_cast<int64_t>(packed.size()) - 1;
    }
    const auto length = static_cast<int64_t>(new_ids[static_cast<size_t>(group.members.front())].size());
    chunk.segments.push_back({static_cast<int64_t>(group.members.size()), length, &group.cache});
  }
  chunk.ids = at::tensor(packed, at::kLong);
  const at::Tensor hidden = engine_.transformer().hidden({chunk}).front();
  const at::Tensor rows = hidden.index_select(0, at::tensor(last, at::kLong).to(hidden.device()));
  const at::Tensor logits = engine_.transformer().logits(rows).cpu().contiguous();
  require_finite_logits(logits, engine_.where());
  const float* values = logits.data_ptr<float>();
  return {sequences_, engine_.vocab(), std::vector<float>(values, values + logits.numel())};
}

void TorchSession::keep(std::span<const int64_t> sequences) {
  const at::NoGradGuard no_grad;
  PRUNENET_CHECK(std::is_sorted(sequences.begin(), sequences.end()));
  std::vector<Group> kept;
  for (Group& group : groups_) {
    std::vector<int64_t> places, renamed;
    for (size_t i = 0; i < group.members.size(); ++i) {
      const auto found = std::lower_bound(sequences.begin(), sequences.end(), group.members[i]);
      if (found == sequences.end() || *found != group.members[i]) continue;
      places.push_back(static_cast<int64_t>(i));
      renamed.push_back(found - sequences.begin());
    }
    if (places.empty()) continue;
    if (places.size() < group.members.size()) keep_only(group, places);
    Group smaller = std::move(group);
    smaller.members = std::move(renamed);
    kept.push_back(std::move(smaller));
  }
  groups_ = std::move(kept);
  sequences_ = static_cast<int64_t>(sequences.size());
}

}  // namespace prunenet
