// An engine for tests: a Markov chain, whose next-token distribution depends on the last id alone. Everything about it
// can be computed by hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace prunenet::test {

class MarkovEngine final : public Engine {
 public:
  /// `table`: the logits that follow each id, [vocab][vocab].
  explicit MarkovEngine(std::vector<std::vector<float>> table, int64_t cache_bytes_per_id = 4)
      : table_(std::move(table)), cache_bytes_per_id_(cache_bytes_per_id) {}

  int64_t vocab() const override { return static_cast<int64_t>(table_.front().size()); }
  int64_t cache_bytes_per_id() const override { return cache_bytes_per_id_; }

  std::vector<std::vector<TokenScore>> score(std::span<const ScoreRequest> requests) override {
    std::vector<std::vector<TokenScore>> scores;
    for (const ScoreRequest& request : requests) {
      scores.emplace_back();
      for (size_t t = static_cast<size_t>(request.first_scored); t < request.ids.size(); ++t) {
        const std::vector<float>& row = after(request.ids[t - 1]);
        double sum = 0;
        for (const float logit : row) sum += std::exp(static_cast<double>(logit));
        const float own = row[static_cast<size_t>(request.ids[t])];
        scores.back().push_back({static_cast<float>(static_cast<double>(own) - std::log(sum)),
                                 own >= *std::max_element(row.begin(), row.end())});
      }
    }
    return scores;
  }

  Logits logits(std::span<const std::vector<TokenId>> sequences) override {
    ++calls_;
    Logits logits{0, vocab(), {}};
    for (const auto& ids : sequences) {
      for (const TokenId id : ids) add_row(logits, id);
    }
    return logits;
  }

  std::unique_ptr<Session> open_session(int64_t sequences, int64_t capacity) override {
    largest_batch_ = std::max(largest_batch_, sequences);
    return std::make_unique<Chain>(*this, sequences, capacity);
  }

  int64_t calls() const { return calls_; }                  // of logits()
  int64_t largest_batch() const { return largest_batch_; }  // sequences of a session

 private:
  class Chain final : public Session {
   public:
    Chain(const MarkovEngine& engine, int64_t sequences, int64_t capacity)
        : engine_(engine), capacity_(capacity), lengths_(static_cast<size_t>(sequences)) {}

    Logits append(std::span<const std::vector<TokenId>> new_ids) override {
      if (new_ids.size() != lengths_.size()) throw std::logic_error("append: not one list of ids for each sequence");
      Logits logits{0, engine_.vocab(), {}};
      for (size_t s = 0; s < new_ids.size(); ++s) {
        if (new_ids[s].empty()) throw std::logic_error("append: no new id");
        lengths_[s] += static_cast<int64_t>(new_ids[s].size());
        if (lengths_[s] > capacity_) throw std::logic_error("append: beyond the capacity");
        engine_.add_row(logits, new_ids[s].back());
      }
      return logits;
    }

    void keep(std::span<const int64_t> sequences) override {
      std::vector<int64_t> kept;
      for (const int64_t s : sequences) kept.push_back(lengths_.at(static_cast<size_t>(s)));
      lengths_ = kept;
    }

   private:
    const MarkovEngine& engine_;
    int64_t capacity_;
    std::vector<int64_t> lengths_;
  };

  const std::vector<float>& after(TokenId id) const { return table_.at(static_cast<size_t>(id)); }
  void add_row(Logits& logits, TokenId id) const {
    ++logits.rows;
    logits.values.insert(logits.values.end(), after(id).begin(), after(id).end());
  }

  std::vector<std::vector<float>> table_;
  int64_t cache_bytes_per_id_;
  int64_t calls_ = 0, largest_batch_ = 0;
};

}  // namespace prunenet::test
