// How well a model knows the grammar: its loss on stories that are new to it beside the least that is possible, and how
// often it is right where a rule leaves one word only. Any model that can score ids will do.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "story_corpus.h"

namespace prunenet {

/// Log-probabilities of the ids of each request: Engine::score, or what stands in for it.
using ScoreFunction = std::function<std::vector<std::vector<TokenScore>>(std::span<const ScoreRequest>)>;

struct StoryScore {
  int64_t stories = 0, tokens = 0;
  double nats = 0;        // minus log-probability, summed over the tokens
  double least_nats = 0;  // what the grammar itself needs for them: on average no model needs less
  std::array<int64_t, story::kRules> ruled{},
      right{};  // tokens that a rule decides; those that greedy choice gets right
};

/// Scores stories [0, count) of a seed, each by itself between BOS and EOS (or the newline before another).
StoryScore score_stories(const ScoreFunction& score, BpeEncoder& encoder, uint64_t seed, uint32_t count);

/// "45.51 nats a story (0.4440 a token, perplexity 1.5589); ..."
std::string to_string(const StoryScore& score);

}  // namespace prunenet
