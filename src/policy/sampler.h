// From logits to a draw of rows: binary Concrete noise, then K rows without replacement.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "linalg/matrix.h"

namespace prunenet {

/// n draws of logistic noise log(e) - log(1 - e), from a stream of its own address.
std::vector<double> logistic_noise(int64_t n, uint64_t seed, RandomStage stage, uint32_t layer, uint32_t step);

/// log o_i, o_i = sigmoid(logit_i + noise_i): the binary Concrete relaxation at temperature 1 (Maddison et al. 2017,
/// arXiv 1611.00712). Computed as -softplus(-x): finite for every finite logit.
template <typename Real>
std::vector<double> log_keep_probabilities(const Vector<Real>& logits, std::span<const double> noise);

/// log weight + Gumbel noise: the order of these keys is a draw without replacement. The noise comes from its own stream.
std::vector<double> draw_keys(std::span<const double> log_weights, uint64_t seed, RandomStage stage, uint32_t layer,
                              uint32_t step);

/// `count` rows drawn one after the other without replacement with probability proportional to o, ascending: the `count`
/// largest draw_keys (Vieira 2014; Kool et al. 2019, arXiv 1903.06059).
std::vector<int64_t> draw_rows(std::span<const double> log_weights, int64_t count, uint64_t seed, RandomStage stage,
                               uint32_t layer, uint32_t step);

/// log(1 + e^x) without overflow.
double softplus(double x);
/// 1 / (1 + e^-x) without overflow.
double sigmoid(double x);

}  // namespace prunenet
