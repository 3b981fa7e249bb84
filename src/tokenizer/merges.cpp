// Merges: a flat hash table of pairs, and a heap of candidates over a linked list of symbols.
#include "tokenizer/merges.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

constexpr TokenId kGone = -1;

// Candidates are rank << 32 | position: the heap's top is the first of the list, and the leftmost of equals.
class Heap {
 public:
  explicit Heap(std::vector<uint64_t>& items) : items_(items) {
    std::make_heap(items_.begin(), items_.end(), std::greater<>{});
  }
  bool empty() const { return items_.empty(); }
  void push(uint64_t item) {
    items_.push_back(item);
    std::push_heap(items_.begin(), items_.end(), std::greater<>{});
  }
  uint64_t pop() {
    std::pop_heap(items_.begin(), items_.end(), std::greater<>{});
    const uint64_t item = items_.back();
    items_.pop_back();
    return item;
  }

 private:
  std::vector<uint64_t>& items_;
};

}  // namespace

Merges::Merges(size_t count) {
  const size_t slots = std::bit_ceil(2 * count + 2);
  slots_.resize(slots);
  shift_ = 64 - std::countr_zero(slots);
}

void Merges::add(TokenId left, TokenId right, TokenId result) {
  add(left, right, result, static_cast<uint32_t>(count_));
}

void Merges::add(TokenId left, TokenId right, TokenId result, uint32_t rank) {
  const uint64_t pair = pair_of(left, right);
  PRUNENET_CHECK(left >= 0 && right >= 0 && 2 * count_ < slots_.size());
  size_t at = slot_of(pair);
  while (slots_[at].pair != kFree && slots_[at].pair != pair) at = (at + 1) % slots_.size();
  slots_[at] = {pair, {rank, result}};
  ++count_;
}

const Merges::Merge* Merges::find(TokenId left, TokenId right) const {
  const uint64_t pair = pair_of(left, right);
  const size_t mask = slots_.size() - 1;
  for (size_t at = slot_of(pair);; at = (at + 1) & mask) {
    if (slots_[at].pair == pair) return &slots_[at].merge;
    if (slots_[at].pair == kFree) return nullptr;
  }
}

void Merges::apply(std::vector<TokenId>& symbols) const {
  const size_t count = symbols.size();
  if (count < 2) return;
  if (count > 0x7fffffff) fail(ErrorCode::kUnsupported, "text", "a word of {} symbols is too long", count);
  const auto end = static_cast<uint32_t>(count);
  std::vector<uint32_t> previous(count), next(count);  // positions; `end` behind the last, and before the first
  std::vector<uint64_t> candidates;
  candidates.reserve(count);
  for (uint32_t at = 0; at < end; ++at) {
    previous[at] = at == 0 ? end : at - 1;
    next[at] = at + 1;
    if (at + 1 == end) break;
    if (const Merge* merge = find(symbols[at], symbols[at + 1])) candidates.push_back(uint64_t{merge->rank} << 32 | at);
  }
  Heap heap(candidates);
  const auto push = [&](uint32_t at, uint32_t right) {
    if (at == end || right == end) return;
    if (const Merge* merge = find(symbols[at], symbols[right])) heap.push(uint64_t{merge->rank} << 32 | at);
  };
  while (!heap.empty()) {
    const uint64_t candidate = heap.pop();
    const auto at = static_cast<uint32_t>(candidate);
    if (symbols[at] == kGone || next[at] == end) continue;
    const uint32_t right = next[at];
    const Merge* merge = find(symbols[at], symbols[right]);
    if (!merge || merge->rank != candidate >> 32) continue;  // one of the two has grown meanwhile
    symbols[at] = merge->result;
    symbols[right] = kGone;
    next[at] = next[right];
    if (next[at] != end) previous[next[at]] = at;
    push(previous[at], at);
    push(at, next[at]);
  }
  std::erase(symbols, kGone);
}

}  // namespace prunenet::tokenization
