// Texts to calibrate on that need no data: what the model says by itself, and random tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/own_text.h"

namespace prunenet {

/// Own text for calibration is drawn at these sequence numbers and up; what compares models begins at 0 and asks for
/// less than 2^20. So a model is never judged by the very text that it was fitted to, whatever the seeds.
inline constexpr int64_t kFirstCalibrationSequence = int64_t{1} << 20;

/// Ids of a sequence that models are judged on, and the default of compare.
inline constexpr int64_t kFreshTokens = 256;

/// Where a choice is made between whole results, it is made on these, so that the text that the chosen one is reported
/// on had no part in it.
inline constexpr int64_t kFirstJudgingSequence = int64_t{1} << 21;

/// `sequences` texts of `tokens` ids: the first as in own text, the others uniform over the vocabulary. Draws are
/// addressed by (seed, sequence).
std::vector<std::vector<TokenId>> random_text(const ModelDescription& model, int64_t sequences, int64_t tokens,
                                              uint64_t seed);

/// Sequences from the front until they hold `tokens` ids or there are none left; those of one id are passed over.
std::vector<std::vector<TokenId>> first_tokens(const std::vector<std::vector<TokenId>>& sequences, int64_t tokens);

int64_t num_tokens(const std::vector<std::vector<TokenId>>& sequences);

}  // namespace prunenet
