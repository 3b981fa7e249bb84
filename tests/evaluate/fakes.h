// Stand-ins for a model and its tokenizer: an engine whose log-probabilities follow from a hash of everything before a
// token, and a tokenizer of bytes that joins a blank and a letter, and some pairs of letters, so that where a text is
// cut matters.
#pragma once

#include <array>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::test {

class PairTokenizer final : public Tokenizer {
 public:
  explicit PairTokenizer(bool adds_bos = true) : adds_bos_(adds_bos) {}

  static constexpr TokenId kBos = 1, kEos = 2, kBytes = 3, kPairs = kBytes + 256;

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const override {
    std::vector<TokenId> ids;
    if (options.add_special && adds_bos_) ids.push_back(kBos);
    for (size_t at = 0; at < text.size();) {
      if (options.parse_special && text.substr(at).starts_with("<s>")) {
        ids.push_back(kBos);
        at += 3;
        continue;
      }
      const TokenId pair = at + 1 < text.size() ? pair_id(text[at], text[at + 1]) : -1;
      ids.push_back(pair >= 0 ? pair : kBytes + static_cast<unsigned char>(text[at]));
      at += pair >= 0 ? 2 : 1;
    }
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool keep_special = false) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < kBytes && keep_special) text += id == kBos ? "<s>" : "</s>";
      if (id >= kBytes && id < kPairs) text += static_cast<char>(id - kBytes);
      if (id >= kPairs && id < kPairs + 26) text += {' ', static_cast<char>('a' + id - kPairs)};
      if (id >= kPairs + 26) text += kJoined[static_cast<size_t>(id - kPairs - 26)];
    }
    return text;
  }

  int64_t vocab_size() const override { return kPairs + 26 + static_cast<int64_t>(kJoined.size()); }
  std::optional<TokenId> bos() const override { return kBos; }
  std::optional<TokenId> eos() const override { return kEos; }
  bool adds_bos() const override { return adds_bos_; }

 private:
  static constexpr std::array<std::string_view, 5> kJoined{"th", "er", "in", "on", "  "};

  static TokenId pair_id(char first, char second) {
    if (first == ' ' && second >= 'a' && second <= 'z') return kPairs + (second - 'a');
    for (size_t i = 0; i < kJoined.size(); ++i) {
      if (kJoined[i][0] == first && kJoined[i][1] == second) return kPairs + 26 + static_cast<TokenId>(i);
    }
    return -1;
  }

  bool adds_bos_;
};

class HashEngine final : public Engine {
 public:
  explicit HashEngine(int64_t vocab, int64_t max_context = 0) : vocab_(vocab), max_context_(max_context) {}

  int64_t vocab() const override { return vocab_; }
  int64_t cache_bytes_per_id() const override { return 4; }

  /// Called before each batch: may throw.
  std::function<void(int64_t batches_before)> before_batch;
  int64_t batches = 0, largest_batch_ids = 0, largest_batch_requests = 0;

  std::vector<std::vector<TokenScore>> score(std::span<const ScoreRequest> requests) override {
    if (before_batch) before_batch(batches);
    ++batches;
    largest_batch_requests = std::max(largest_batch_requests, static_cast<int64_t>(requests.size()));
    size_t longest = 0;
    std::vector<std::vector<TokenScore>> scores;
    for (const ScoreRequest& request : requests) {
      scores.push_back(score_one(request));
      longest = std::max(longest, request.ids.size());
    }
    largest_batch_ids = std::max(largest_batch_ids, static_cast<int64_t>(longest * requests.size()));
    return scores;
  }

  /// The log-probability of the last of `ids` after the others, for tests that count by themselves.
  float log_prob_of_last(const std::vector<TokenId>& ids) {
    return score_one({ids, static_cast<int64_t>(ids.size()) - 1}).at(0).log_prob;
  }

  Logits logits(std::span<const std::vector<TokenId>>) override { throw std::logic_error("not asked for here"); }
  std::unique_ptr<Session> open_session(int64_t, int64_t) override { throw std::logic_error("not asked for here"); }

 private:
  static uint64_t mixed(uint64_t x) {  // SplitMix64's finaliser
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  std::vector<TokenScore> score_one(const ScoreRequest& request) const {
    const auto size = static_cast<int64_t>(request.ids.size());
    if (size == 0 || (max_context_ > 0 && size > max_context_)) fail(ErrorCode::kBadOption, "ids", "{} ids", size);
    if (request.first_scored < 1 || request.first_scored > size)
      fail(ErrorCode::kBadOption, "first_scored", "{}", request.first_scored);
    std::vector<TokenScore> scores;
    uint64_t history = 12345;
    for (int64_t t = 0; t < size; ++t) {
      const TokenId id = request.ids[static_cast<size_t>(t)];
      if (id < 0 || id >= vocab_) fail(ErrorCode::kBadOption, "ids", "id {}", id);
      if (t >= request.first_scored) scores.push_back(score_of(history, id));
      history = mixed(history + static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15u);
    }
    return scores;
  }

  TokenScore score_of(uint64_t history, TokenId id) const {
    double sum = 0, largest = -1, own = 0;
    for (int64_t v = 0; v < vocab_; ++v) {
      const double logit =
          static_cast<double>(mixed(history ^ (static_cast<uint64_t>(v) << 17)) >> 40) / (1 << 22);  // 0 to 4
      sum += std::exp(logit);
      largest = std::max(largest, logit);
      if (v == id) own = logit;
    }
    return {static_cast<float>(own - std::log(sum)), own >= largest};
  }

  int64_t vocab_, max_context_;
};

}  // namespace prunenet::test
