// Stories as ids: rows for training, and the rule behind every id.
#include "story_corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "story_score.h"

namespace prunenet::test {
namespace {

class StoryCorpus : public testing::Test {
 protected:
  BpeEncoder encoder_ = learn_story_tokenizer(7, 1024);
};

TEST_F(StoryCorpus, TheTokenizerIsTheSameEveryTime) {
  EXPECT_EQ(bpe_tokenizer_json(encoder_.vocabulary()), bpe_tokenizer_json(learn_story_tokenizer(7, 1024).vocabulary()));
  EXPECT_EQ(encoder_.vocabulary().pieces.size(), 1024u);
}

TEST_F(StoryCorpus, MostRowsBeginADocumentAndAllAreStories) {
  int begin = 0, first_stories = 0;
  std::set<std::vector<TokenId>> rows;
  for (uint32_t row = 0; row < 200; ++row) {
    const std::vector<TokenId> ids = training_row(encoder_, 7, row, 257);
    ASSERT_EQ(ids.size(), 257u);
    rows.insert(ids);
    if (ids[0] != kBosToken) continue;
    ++begin;
    // Up to its first end, the row is a story of its eight, word for word: the first, unless the random place is a
    // start.
    const auto is_end = [](TokenId id) { return id == kEosToken || id == kNewlineToken; };
    const auto end = std::find_if(ids.begin(), ids.end(), is_end);
    ASSERT_NE(end, ids.end());
    const std::string text = encoder_.decode({ids.begin(), end});
    uint32_t number = 0;
    while (number < 8 && story::random_story(7, row * 8 + number).text != text) ++number;
    ASSERT_LT(number, 8u) << text;
    first_stories += number == 0 ? 1 : 0;
    EXPECT_EQ(*end == kNewlineToken, story::random_story(7, row * 8 + number).another_follows);
  }
  EXPECT_EQ(rows.size(), 200u);
  EXPECT_GT(begin, 120);
  EXPECT_LT(begin, 180);  // three in four, within four deviations
  EXPECT_GE(first_stories, begin - 5);
}

TEST_F(StoryCorpus, AStoryIsBetweenBosAndItsEnd) {
  for (uint32_t i = 0; i < 100; ++i) {
    const EncodedStory story = encode_story(encoder_, story::random_story(8, i));
    EXPECT_EQ(story.ids.front(), kBosToken);
    EXPECT_EQ(story.ids.back(), story.story.another_follows ? kNewlineToken : kEosToken);
    EXPECT_EQ(story.ids.size(), story.rules.size());
    EXPECT_LE(story.ids.size(), 256u);
  }
}

TEST_F(StoryCorpus, TheIdsOfARuledWordCarryItsRule) {
  for (uint32_t i = 0; i < 100; ++i) {
    const EncodedStory story = encode_story(encoder_, story::random_story(8, i));
    // The words that the rules mark, read back from the ids, must be the words of the story, in order.
    std::string marked, expected;
    for (size_t j = 1; j + 1 < story.ids.size(); ++j) {
      if (story.rules[j] < 0) continue;
      for (const char c : encoder_.decode(std::span(&story.ids[j], 1))) {
        if (c != ' ') marked += c;
      }
    }
    for (const story::RuledWord& word : story.story.ruled_words) {
      for (size_t at = word.begin; at < word.end; ++at) {
        if (story.story.text[at] != ' ') expected += story.story.text[at];
      }
    }
    EXPECT_EQ(marked, expected) << story.story.text;
  }
}

TEST_F(StoryCorpus, ScoresAreSumsOverTheTokens) {
  // A model that gives every id one bit and is right on every second token of a story.
  const auto score = [](std::span<const ScoreRequest> requests) {
    std::vector<std::vector<TokenScore>> scores;
    for (const ScoreRequest& request : requests) {
      EXPECT_EQ(request.first_scored, 1);
      scores.emplace_back();
      for (size_t i = 1; i < request.ids.size(); ++i) scores.back().push_back({-0.5f, i % 2 == 0});
    }
    return scores;
  };
  const StoryScore result = score_stories(score, encoder_, 8, 70);
  EXPECT_EQ(result.stories, 70);
  EXPECT_DOUBLE_EQ(result.nats, 0.5 * static_cast<double>(result.tokens));
  double least = 0;
  int64_t tokens = 0, facts = 0, right = 0;
  for (uint32_t i = 0; i < 70; ++i) {
    const EncodedStory story = encode_story(encoder_, story::random_story(8, i));
    least += story.story.nats;
    tokens += static_cast<int64_t>(story.ids.size()) - 1;
    for (size_t j = 1; j < story.ids.size(); ++j) {
      if (story.rules[j] != static_cast<int>(story::Rule::kFact)) continue;
      ++facts;
      right += j % 2 == 0 ? 1 : 0;
    }
  }
  EXPECT_NEAR(result.least_nats, least, 1e-9);
  EXPECT_EQ(result.tokens, tokens);
  EXPECT_EQ(result.ruled[static_cast<size_t>(story::Rule::kFact)], facts);
  EXPECT_EQ(result.right[static_cast<size_t>(story::Rule::kFact)], right);
}

}  // namespace
}  // namespace prunenet::test
