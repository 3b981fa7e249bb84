// Stories as token ids: the rows on which the demo model learns and the held-out stories on which it is measured.
#pragma once

#include <cstdint>
#include <vector>

#include "base/token_id.h"
#include "bpe_trainer.h"
#include "story_grammar.h"

namespace prunenet {

/// The demo model learns from the stories of one seed and is measured on those of the next: a story makes some 65 bits
/// of choices, so hardly one is in both.
inline constexpr uint64_t kTrainingTextSeed = 7, kHeldOutTextSeed = kTrainingTextSeed + 1;

/// A tokenizer of `vocab_size` pieces, learned from the first 20000 stories of a seed.
BpeEncoder learn_story_tokenizer(uint64_t seed, int64_t vocab_size);

/// Row `row` of the training text: `length` ids from the start of a document; one row in four begins at a random place
/// within its first `length / 2` ids instead. Rows share no story. A document is BOS, stories with newlines between
/// them, EOS.
std::vector<TokenId> training_row(BpeEncoder& encoder, uint64_t seed, uint32_t row, int64_t length);

/// A story with BOS before it and EOS, or a newline where another follows, after it.
struct EncodedStory {
  story::Story story;
  std::vector<TokenId> ids;
  std::vector<int> rules;  // of each id: the number of the Rule that decides it, or -1
};
EncodedStory encode_story(BpeEncoder& encoder, story::Story story);

}  // namespace prunenet
