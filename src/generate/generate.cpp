// The loop of generation: feed, choose, drop what has ended.
#include "generate/generate.h"

#include <algorithm>

#include "base/error.h"

namespace prunenet {
namespace {

struct Running {
  int64_t sequence = 0;  // index into the prompts
  int64_t length = 0;    // ids so far, its prompt included
};

void check_prompts(std::span<const std::vector<TokenId>> prompts, const GenerateOptions& options) {
  if (options.max_tokens < 0)
    fail(ErrorCode::kBadOption, "max tokens", "is {}, expected 0 or more", options.max_tokens);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto length = static_cast<int64_t>(prompts[i].size());
    if (length == 0)
      fail(ErrorCode::kBadOption, fmt::format("prompt {}", i + 1), "is empty; at least one id is needed");
    if (options.max_context > 0 && length >= options.max_context && options.max_tokens > 0) {
      fail(ErrorCode::kBadOption, fmt::format("prompt {}", i + 1),
           "has {} ids, the context of the model {}: no room is left for a new one", length, options.max_context);
    }
  }
}

// Ids that the longest sequence of this batch can come to.
int64_t capacity_of(std::span<const std::vector<TokenId>> prompts, const GenerateOptions& options) {
  int64_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, static_cast<int64_t>(prompt.size()));
  // The last id that is chosen is never fed.
  const int64_t room = options.max_context > 0 ? options.max_context - longest : options.max_tokens;
  return longest + std::max<int64_t>(std::min(options.max_tokens, room) - 1, 0);
}

class Batch {
 public:
  Batch(std::span<const std::vector<TokenId>> prompts, int64_t first, const GenerateOptions& options,
        const TokenCallback& on_token, std::span<Generated> results)
      : options_(options), on_token_(on_token), first_(first), results_(results) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      running_.push_back({static_cast<int64_t>(i), static_cast<int64_t>(prompts[i].size())});
    }
  }

  void run(Engine& engine, std::span<const std::vector<TokenId>> prompts) {
    const auto session = engine.open_session(static_cast<int64_t>(prompts.size()), capacity_of(prompts, options_));
    Logits logits = session->append(prompts);
    for (;;) {
      const std::vector<std::vector<TokenId>> next = choose(logits);
      if (next.empty()) return;
      if (next.size() < static_cast<size_t>(logits.rows)) session->keep(still_);
      logits = session->append(next);
    }
  }

 private:
  // One token for every running sequence; gives those to be fed, and notes in still_ which rows go on.
  std::vector<std::vector<TokenId>> choose(const Logits& logits) {
    std::vector<std::vector<TokenId>> next;
    std::vector<Running> going;
    still_.clear();
    for (size_t row = 0; row < running_.size(); ++row) {
      Running now = running_[row];
      const auto address = static_cast<uint32_t>(options_.first_sequence + first_ + now.sequence);
      const TokenId id =
          sample_token(logits.row(static_cast<int64_t>(row)), options_.sampling,
                       RandomStream(options_.seed, RandomStage::kGenerate, address, static_cast<uint32_t>(now.length)));
      ++now.length;
      Generated& result = results_[static_cast<size_t>(now.sequence)];
      result.ids.push_back(id);
      if (on_token_) on_token_(first_ + now.sequence, id);
      if (ends(result, id, now.length)) continue;
      next.push_back({id});
      going.push_back(now);
      still_.push_back(static_cast<int64_t>(row));
    }
    running_ = std::move(going);
    return next;
  }

  bool ends(Generated& result, TokenId id, int64_t length) const {
    if (std::find(options_.stop_ids.begin(), options_.stop_ids.end(), id) != options_.stop_ids.end()) {
      result.finish = FinishReason::kStopToken;
    } else if (static_cast<int64_t>(result.ids.size()) >= options_.max_tokens) {
      result.finish = FinishReason::kMaxTokens;
    } else if (options_.max_context > 0 && length >= options_.max_context) {
      result.finish = FinishReason::kContext;
    } else {
      return false;
    }
    return true;
  }

  const GenerateOptions& options_;
  const TokenCallback& on_token_;
  int64_t first_;
  std::span<Generated> results_;
  std::vector<Running> running_;
  std::vector<int64_t> still_;
};

}  // namespace

std::vector<Generated> generate(Engine& engine, std::span<const std::vector<TokenId>> prompts,
                                const GenerateOptions& options, const TokenCallback& on_token) {
  check_prompts(prompts, options);
  check_sampling(options.sampling);
  std::vector<Generated> results(prompts.size());
  if (options.max_tokens == 0) return results;
  const size_t size = options.batch > 0 ? static_cast<size_t>(options.batch) : std::max<size_t>(prompts.size(), 1);
  for (size_t first = 0; first < prompts.size(); first += size) {
    const size_t count = std::min(size, prompts.size() - first);
    const auto part = prompts.subspan(first, count);
    Batch(part, static_cast<int64_t>(first), options, on_token, std::span(results).subspan(first, count))
        .run(engine, part);
  }
  return results;
}

}  // namespace prunenet
