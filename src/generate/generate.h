// Continuing sequences: many at once, token by token, through the engine's sessions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "engine/engine.h"
#include "generate/sampler.h"

namespace prunenet {

/// Why a sequence ended.
enum class FinishReason {
  kStopToken,  // the model chose a stop token
  kMaxTokens,  // as many tokens as were asked for
  kContext,    // the model's context is full
};

struct GenerateOptions {
  int64_t max_tokens = 128;       // new ids a sequence; 0 gives none
  int64_t max_context = 0;        // ids that a sequence may have, its prompt included; 0: no limit
  std::vector<TokenId> stop_ids;  // end a sequence
  SamplingOptions sampling;
  uint64_t seed = 42;
  int64_t first_sequence = 0;  // the number of the first sequence: a part of its draws' address
  int64_t batch = 0;           // sequences computed together; 0: all. Others wait
};

struct Generated {
  std::vector<TokenId> ids;  // the new ones; a stop token is the last of them
  FinishReason finish = FinishReason::kMaxTokens;
};

/// Called for each new id, in the order in which they come: (sequence, id).
using TokenCallback = std::function<void(int64_t, TokenId)>;

/// Continues every prompt. Draw t of sequence s is addressed by (seed, kGenerate, first_sequence + s, position of the
/// token), so that neither its neighbours nor the batch change what a sequence draws (an engine's rounding may differ
/// with the batch in the last bit of a logit). Throws kBadOption for an empty prompt or one that leaves no room in the
/// context, and what the engine throws.
std::vector<Generated> generate(Engine& engine, std::span<const std::vector<TokenId>> prompts,
                                const GenerateOptions& options, const TokenCallback& on_token = {});

}  // namespace prunenet
