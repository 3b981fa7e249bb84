// From one row of logits to the next token: greedy, or a draw.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"
#include "base/token_id.h"

namespace prunenet {

/// How the next token is chosen. Applied in this order, each to what the one before left: temperature, top-k, top-p.
struct SamplingOptions {
  double temperature = 0;  // 0: greedy. Else logits are divided by it
  int64_t top_k = 0;       // only the k likeliest tokens; 0: all
  double top_p = 1;  // only the likeliest tokens until their probabilities, together, reach p (Holtzman et al. 2020,
                     // arXiv 1904.09751); at least one
};

/// The token with the largest logit; of equal ones the lowest id. `logits` is not empty and holds no NaN.
TokenId greedy_token(std::span<const float> logits);

/// The next token. Greedy takes no draw; a draw takes one number of `stream` and is inverted over the kept tokens in
/// the order of their ids, in f64. Where a cut (top-k, top-p) falls between equal logits, lower ids are kept. Throws
/// kBadOption for options outside their range. Cost: one pass; with a cut, a partial or whole sort.
TokenId sample_token(std::span<const float> logits, const SamplingOptions& options, RandomStream stream);

/// Throws kBadOption unless temperature >= 0, top_k >= 0 and 0 < top_p <= 1.
void check_sampling(const SamplingOptions& options);

}  // namespace prunenet
