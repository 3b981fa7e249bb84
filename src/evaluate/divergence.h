// How far a model is from the one that it was made of, measured on the same ids: the Kullback-Leibler divergence of
// their next-token distributions (Kullback and Leibler 1951), how often they agree on the likeliest token, and the
// perplexity of both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/token_id.h"
#include "engine/engine.h"

namespace prunenet {

/// KL(p || q) in nats of the distributions that two rows of logits of equal length stand for. In f64; never below 0,
/// and 0 for equal rows.
double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits);

/// -log of the probability that a row of logits gives to `id`, in nats; in f64.
double negative_log_likelihood(std::span<const float> logits, TokenId id);

/// Means over all predictions: sequence x[0..n) has n - 1 of them, that of x[t] from x[0..t) for every t > 0.
struct Divergence {
  int64_t num_sequences = 0;
  int64_t num_predictions = 0;
  double kl_nats = 0;  // KL(dense || other) a token
  /// Standard error of kl_nats over the sequences, which are the independent draws (tokens of one text are not): that
  /// of a ratio of sums, as texts may differ in length (Cochran 1977, section 2.11). Nothing for one sequence.
  std::optional<double> kl_standard_error;
  double top1_agreement = 0;  // share of predictions where both models' likeliest token is the same
  double dense_nll_nats = 0;  // a token
  double other_nll_nats = 0;

  std::vector<double> kl_by_sequence;  // mean of each
  std::vector<double> kl_by_position;  // mean over the sequences that are long enough; [0]: the prediction of x[1]
  std::vector<int64_t> sequences_by_position;  // how many those are

  double dense_perplexity() const;
  double other_perplexity() const;
  double perplexity_ratio() const;  // other to dense
};

/// Runs both models over the sequences, each of at least two ids. Throws kMismatch when the vocabularies differ in
/// size, kBadOption when there is no sequence or one is too short, and what the engines throw. Memory: logits of both
/// models for a block of sequences, 256 MiB each or one sequence. Cost: one forward pass of each model and two
/// exponentials a logit.
Divergence measure_divergence(Engine& dense, Engine& other, std::span<const std::vector<TokenId>> sequences,
                              Progress& progress, int64_t block_bytes = int64_t{256} << 20);

}  // namespace prunenet
