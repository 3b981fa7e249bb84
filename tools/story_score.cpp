// Sums over the tokens of many stories.
#include "story_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace prunenet {
namespace {

constexpr uint32_t kScoredAtOnce = 32;

void add(StoryScore& sum, const EncodedStory& story, const std::vector<TokenScore>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    sum.nats -= static_cast<double>(tokens[i].log_prob);
    if (story.rules[i + 1] < 0) continue;
    const auto rule = static_cast<size_t>(story.rules[i + 1]);
    ++sum.ruled[rule];
    if (tokens[i].is_greedy) ++sum.right[rule];
  }
  sum.tokens += static_cast<int64_t>(tokens.size());
  sum.least_nats += story.story.nats;
  ++sum.stories;
}

}  // namespace

StoryScore score_stories(const ScoreFunction& score, BpeEncoder& encoder, uint64_t seed, uint32_t count) {
  StoryScore sum;
  for (uint32_t first = 0; first < count; first += kScoredAtOnce) {
    std::vector<EncodedStory> stories;
    std::vector<ScoreRequest> requests;
    for (uint32_t i = first; i < std::min(count, first + kScoredAtOnce); ++i) {
      stories.push_back(encode_story(encoder, story::random_story(seed, i)));
      requests.push_back({stories.back().ids, 1});
    }
    const std::vector<std::vector<TokenScore>> scores = score(requests);
    for (size_t i = 0; i < stories.size(); ++i) add(sum, stories[i], scores[i]);
  }
  return sum;
}

std::string to_string(const StoryScore& score) {
  const auto tokens = static_cast<double>(score.tokens), stories = static_cast<double>(score.stories);
  std::string text =
      fmt::format("{:.2f} nats a story ({:.4f} a token, perplexity {:.4f}); the grammar needs {:.2f} ({:.4f}, {:.4f})",
                  score.nats / stories, score.nats / tokens, std::exp(score.nats / tokens), score.least_nats / stories,
                  score.least_nats / tokens, std::exp(score.least_nats / tokens));
  for (size_t rule = 0; rule < score.ruled.size(); ++rule) {
    const auto ruled = static_cast<double>(std::max<int64_t>(1, score.ruled[rule]));
    text += fmt::format("{} {} {:.2f} %", rule == 0 ? "; greedy choice right:" : ",",
                        story::rule_name(static_cast<story::Rule>(rule)),
                        100.0 * static_cast<double>(score.right[rule]) / ruled);
  }
  return text;
}

}  // namespace prunenet
