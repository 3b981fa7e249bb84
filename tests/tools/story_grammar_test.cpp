// The grammar's promises: the same stories everywhere, one derivation a story, a probability that is the choices' own.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <span>

#include "base/hash.h"
#include "story_grammar.h"
#include "story_parser.h"

namespace prunenet::test {
namespace {

using story::Derivation;
using story::derivations;
using story::random_story;
using story::Story;

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return hash.hex_digest();
}

TEST(StoryGrammar, TellsTheRecordedStories) {
  std::string text;
  for (uint32_t i = 0; i < 1000; ++i) text += random_story(7, i).text + "\n";
  // The demo model learned from these. A change here means that it must be trained anew.
  EXPECT_EQ(sha256(text), "12a039014740d61cf43d8fe6e128e571d61c1549fc26c411a26f039876405048");
}

TEST(StoryGrammar, AStoryDependsOnItsSeedAndItsNumberAlone) {
  std::set<std::string> texts;
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(random_story(7, i).text, random_story(7, i).text);
    texts.insert(random_story(7, i).text);
    texts.insert(random_story(8, i).text);
    texts.insert(random_story(uint64_t{7} << 32, i).text);
  }
  EXPECT_EQ(texts.size(), 600u);
}

// If a text had two derivations, `nats` would overstate what a model needs, and a model could fall below the "entropy".
TEST(StoryGrammar, AStoryHasOneDerivationAndItsProbability) {
  for (uint32_t i = 0; i < 40; ++i) {
    const Story story = random_story(9, i);
    const std::vector<Derivation> found = derivations(story.text);
    ASSERT_EQ(found.size(), 1u) << story.text;
    EXPECT_NEAR(found.front().nats, story.nats, 1e-9) << story.text;
  }
}

TEST(StoryGrammar, WhatBreaksARuleIsNoStory) {
  const std::string story =
      "Once a kind carpenter named Olga lived in Madrid. She worked at the workshop and used a hammer. Her aunt Petra "
      "was "
      "brave, but Olga was timid. Petra had nine red plums. She gave two of the plums to Olga, so seven plums were "
      "left. In "
      "the end the kind carpenter from Madrid thanked Petra and went home.";
  ASSERT_EQ(derivations(story).size(), 1u);
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"She worked", "He worked"},         {"used a hammer", "used a needle"}, {"aunt Petra", "uncle Petra"},
      {"seven plums", "six plums"},        {"were left", "was left"},          {"from Madrid", "from Rome"},
      {"thanked Petra", "thanked Olga"},   {"lived in", "lives in"},           {"timid", "quiet"},
      {"plums to Olga", "plums to Petra"}, {"went home.", "went home"},        {"Once", "once"},
      {"of the plums", "of the pears"},    {"Petra was brave", "Petra was"},   {"a hammer", "an hammer"}};
  for (const auto& [right, wrong] : faults) {
    std::string text = story;
    text.replace(text.find(right), right.size(), wrong);
    EXPECT_TRUE(derivations(text).empty()) << right << " -> " << wrong;
  }
  EXPECT_TRUE(derivations("").empty());
  EXPECT_TRUE(derivations(story + " ").empty());
}

TEST(StoryGrammar, RuledWordsAreWordsOfTheTextInOrder) {
  std::map<story::Rule, int> counts;
  for (uint32_t i = 0; i < 300; ++i) {
    const Story story = random_story(7, i);
    size_t end = 0;
    for (const story::RuledWord& word : story.ruled_words) {
      ASSERT_LT(word.begin, word.end);
      ASSERT_LE(word.end, story.text.size());
      EXPECT_GE(word.begin, end);
      end = word.end;
      const bool starts_word =
          word.begin == 0 || story.text[word.begin - 1] == ' ' || story.text[word.begin - 1] == '"';
      EXPECT_TRUE(starts_word) << story.text.substr(word.begin, word.end - word.begin);
      EXPECT_TRUE(std::isalpha(static_cast<unsigned char>(story.text[word.end])) == 0);
      ++counts[word.rule];
    }
  }
  EXPECT_EQ(counts.size(), static_cast<size_t>(story::kRules));
}

// The words that a rule decides can be nothing else: another choice later on never changes them. Seen from the choices:
// where a story is told up to the same place by two scripts, the ruled word that follows is the same.
TEST(StoryGrammar, EveryRuledWordFollowsFromTheTextBefore) {
  std::map<std::string, std::string> seen;
  for (uint32_t i = 0; i < 3000; ++i) {
    const Story story = random_story(7, i);
    for (const story::RuledWord& word : story.ruled_words) {
      const std::string before = story.text.substr(0, word.begin),
                        text = story.text.substr(word.begin, word.end - word.begin);
      const auto [known, is_new] = seen.emplace(before, text);
      EXPECT_EQ(known->second, text) << before;
    }
  }
}

}  // namespace
}  // namespace prunenet::test
