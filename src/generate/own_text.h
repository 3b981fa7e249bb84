// The model's own text: sequences that it samples from the beginning-of-sequence token, at temperature 1 unless said.
// What a model says by itself is the only sample of its data that comes with it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "base/token_id.h"
#include "engine/engine.h"
#include "generate/generate.h"
#include "model/description.h"

namespace prunenet {

struct OwnTextOptions {
  int64_t sequences = 64;
  int64_t tokens = 256;    // ids a sequence, its first included; at least 2
  double temperature = 1;  // above 0
  uint64_t seed = 42;
  int64_t first_sequence = 0;  // number of the first sequence: a part of its draws' address
  int64_t batch = 0;           // sequences computed together; 0: see generation_batch
};

/// The id that a text of this model begins with: BOS of its config, or where there is none its first EOS, which stands
/// between texts in training. Throws kUnsupported when the config states neither.
TokenId text_start(const ModelDescription& model);

/// `sequences` texts, each its first id and what the model continued it with. EOS ends a text and is its last id: such
/// a text is shorter, and nothing is padded. (A BOS in the middle is kept: where training texts are joined by BOS, it
/// is part of what the model says.) Sequence s is the same whatever `sequences` is. Throws kBadOption when `tokens` is
/// below 2 or above the model's context.
std::vector<std::vector<TokenId>> sample_own_text(Engine& engine, const ModelDescription& model,
                                                  const OwnTextOptions& options, Progress& progress);

/// How many sequences of `tokens` ids to compute together, so that what their session keeps stays within 3 GiB. Depends
/// on the model alone: the same on every machine.
int64_t generation_batch(const Engine& engine, int64_t tokens);
/// The same from what a session keeps of each id, for those who plan a run without an engine.
int64_t generation_batch(int64_t cache_bytes_per_id, int64_t tokens);

}  // namespace prunenet
