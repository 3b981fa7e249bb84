// Divergence of two models, a block of sequences at a time. All sums are in f64 and in the order of the sequences.
#include "evaluate/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace prunenet {
namespace {

double largest_of(std::span<const float> logits) {
  return static_cast<double>(*std::max_element(logits.begin(), logits.end()));
}

int64_t likeliest(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

// What one sequence adds.
struct Sums {
  int64_t predictions = 0;
  double kl = 0;
};

class Sum {
 public:
  void add_sequence(const std::vector<TokenId>& ids, const Logits& dense, const Logits& other, int64_t first_row) {
    Sums sums;
    const size_t predictions = ids.size() - 1;
    if (kl_by_position_.size() < predictions) {
      kl_by_position_.resize(predictions);
      count_by_position_.resize(predictions);
    }
    for (size_t t = 0; t < predictions; ++t) {
      const auto p = dense.row(first_row + static_cast<int64_t>(t)), q = other.row(first_row + static_cast<int64_t>(t));
      const double kl = kl_divergence(p, q);
      sums.kl += kl;
      kl_by_position_[t] += kl;
      ++count_by_position_[t];
      agreed_ += likeliest(p) == likeliest(q) ? 1 : 0;
      dense_nll_ += negative_log_likelihood(p, ids[t + 1]);
      other_nll_ += negative_log_likelihood(q, ids[t + 1]);
    }
    sums.predictions = static_cast<int64_t>(predictions);
    sequences_.push_back(sums);
  }

  Divergence result() const {
    Divergence result;
    result.num_sequences = static_cast<int64_t>(sequences_.size());
    double kl = 0;
    for (const Sums& sums : sequences_) {
      result.num_predictions += sums.predictions;
      kl += sums.kl;
      result.kl_by_sequence.push_back(sums.kl / static_cast<double>(sums.predictions));
    }
    const auto count = static_cast<double>(result.num_predictions);
    result.kl_nats = kl / count;
    result.kl_standard_error = standard_error(result.kl_nats, count);
    result.top1_agreement = static_cast<double>(agreed_) / count;
    result.dense_nll_nats = dense_nll_ / count;
    result.other_nll_nats = other_nll_ / count;
    result.kl_by_position = kl_by_position_;
    for (size_t t = 0; t < kl_by_position_.size(); ++t) {
      result.kl_by_position[t] /= static_cast<double>(count_by_position_[t]);
    }
    result.sequences_by_position = count_by_position_;
    return result;
  }

 private:
  std::optional<double> standard_error(double mean, double count) const {
    const auto n = static_cast<double>(sequences_.size());
    if (n < 2) return std::nullopt;
    double squares = 0;
    for (const Sums& sums : sequences_) {
      const double away = sums.kl - mean * static_cast<double>(sums.predictions);
      squares += away * away;
    }
    return std::sqrt(n / (n - 1) * squares) / count;
  }

  std::vector<Sums> sequences_;
  std::vector<double> kl_by_position_;
  std::vector<int64_t> count_by_position_;
  int64_t agreed_ = 0;
  double dense_nll_ = 0, other_nll_ = 0;
};

// How many sequences from `first` on make the next block.
size_t block_length(std::span<const std::vector<TokenId>> sequences, size_t first, int64_t rows_at_most) {
  int64_t rows = 0;
  size_t count = 0;
  while (first + count < sequences.size()) {
    rows += static_cast<int64_t>(sequences[first + count].size());
    if (count > 0 && rows > rows_at_most) break;
    ++count;
  }
  return count;
}

}  // namespace

double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  PRUNENET_CHECK(!p_logits.empty() && p_logits.size() == q_logits.size());
  const double p_max = largest_of(p_logits), q_max = largest_of(q_logits);
  double p_sum = 0, q_sum = 0, difference = 0;  // difference: of the shifted logits, weighed by p
  for (size_t i = 0; i < p_logits.size(); ++i) {
    const double p = static_cast<double>(p_logits[i]) - p_max, q = static_cast<double>(q_logits[i]) - q_max;
    const double weight = std::exp(p);
    p_sum += weight;
    q_sum += std::exp(q);
    difference += weight * (p - q);
  }
  // sum p (log p - log q), with log p = p - log p_sum and log q = q - log q_sum. What rounding leaves below 0 is 0.
  return std::max(difference / p_sum - std::log(p_sum) + std::log(q_sum), 0.0);
}

double negative_log_likelihood(std::span<const float> logits, TokenId id) {
  PRUNENET_CHECK(id >= 0 && static_cast<size_t>(id) < logits.size());
  const double largest = largest_of(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return std::log(sum) - (static_cast<double>(logits[static_cast<size_t>(id)]) - largest);
}

double Divergence::dense_perplexity() const {
  return std::exp(dense_nll_nats);
}
double Divergence::other_perplexity() const {
  return std::exp(other_nll_nats);
}
double Divergence::perplexity_ratio() const {
  return std::exp(other_nll_nats - dense_nll_nats);
}

Divergence measure_divergence(Engine& dense, Engine& other, std::span<const std::vector<TokenId>> sequences,
                              Progress& progress, int64_t block_bytes) {
  if (dense.vocab() != other.vocab()) {
    fail(ErrorCode::kMismatch, "vocabulary", "the models give {} and {} logits a token: they cannot be compared",
         dense.vocab(), other.vocab());
  }
  if (sequences.empty()) fail(ErrorCode::kBadOption, "text", "holds no sequence to compare the models on");
  double total = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].size() < 2) {
      fail(ErrorCode::kBadOption, fmt::format("sequence {}", i), "has {} ids; at least 2 are needed to predict one",
           sequences[i].size());
    }
    total += static_cast<double>(sequences[i].size());
  }
  progress.begin("comparing", 2 * total);
  const int64_t rows_at_most = block_bytes / (dense.vocab() * static_cast<int64_t>(sizeof(float)));
  Sum sum;
  for (size_t first = 0; first < sequences.size();) {
    const auto block = sequences.subspan(first, block_length(sequences, first, rows_at_most));
    const Logits p = dense.logits(block);
    progress.advance(static_cast<double>(p.rows));
    const Logits q = other.logits(block);
    int64_t row = 0;
    for (const auto& ids : block) {
      sum.add_sequence(ids, p, q, row);
      row += static_cast<int64_t>(ids.size());
    }
    progress.advance(static_cast<double>(q.rows));
    first += block.size();
  }
  progress.end();
  return sum.result();
}

}  // namespace prunenet
