// The rules of the stories, checked on the text alone: this little reader shares no word list and no code with the
// grammar.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "story_grammar.h"

namespace prunenet::test {
namespace {

constexpr uint32_t kStories = 1500;

bool is_woman(const std::string& name) {
  return name.back() == 'a' || name == "Lucy" || name == "Karin";
}

int64_t value(const std::string& word) {
  const std::vector<std::string> words = {"",         "one",      "two",      "three",   "four",    "five",
                                          "six",      "seven",    "eight",    "nine",    "ten",     "eleven",
                                          "twelve",   "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
                                          "eighteen", "nineteen", "twenty"};
  return std::find(words.begin(), words.end(), word) - words.begin();
}

std::vector<std::string> sentences(const std::string& story) {
  std::vector<std::string> result;
  std::string sentence;
  for (const char c : story) {
    sentence += c;
    if (c == '.') {
      result.push_back(sentence.starts_with(' ') ? sentence.substr(1) : sentence);
      sentence.clear();
    }
  }
  return result;
}

// Calls `check` for each match of the pattern in each story and expects at least `least` of them in all.
void for_each_match(const std::string& pattern, int least,
                    const std::function<void(const std::smatch&, const std::string&)>& check) {
  const std::regex regex(pattern);
  int count = 0;
  for (uint32_t i = 0; i < kStories; ++i) {
    const std::string text = story::random_story(11, i).text;
    for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match, ++count)
      check(*match, text);
  }
  EXPECT_GE(count, least) << pattern;
}

TEST(StoryRules, TakingAwayComesOutRight) {
  for_each_match(
      R"((\w+) (had|has) (\w+) \w+ (\w+)\. (She|He) (gave|gives) (\w+) of the (\w+) to (\w+), so (\w+) (\w+) (\w+) left\.)",
      200, [](const std::smatch& m, const std::string&) {
        const int64_t left = value(m[3]) - value(m[7]);
        EXPECT_GE(left, 1) << m.str();
        EXPECT_EQ(value(m[10]), left) << m.str();
        EXPECT_EQ(m[8], m[4]) << m.str();
        EXPECT_EQ(m[11] == m[4], left > 1) << m.str();  // every thing has a plural of its own
        const bool past = m[2] == "had";
        EXPECT_EQ(m[12], left > 1 ? (past ? "were" : "are") : (past ? "was" : "is")) << m.str();
        EXPECT_EQ(m[5], is_woman(m[1]) ? "She" : "He") << m.str();
        EXPECT_NE(m[1], m[9]) << m.str();
      });
}

TEST(StoryRules, AddingAndMultiplyingComeOutRight) {
  for_each_match(
      R"((\w+) (?:found|finds) (\w+) (\w+) [a-z ]+, and (\w+) (?:found|finds) (\w+) more\. Together they (?:had|have) (\w+) (\w+)\.)",
      200, [](const std::smatch& m, const std::string&) {
        EXPECT_EQ(value(m[6]), value(m[2]) + value(m[5])) << m.str();
        EXPECT_EQ(m[7], m[3]) << m.str();
        EXPECT_NE(m[1], m[4]) << m.str();
      });
  for_each_match(R"((\w+) (?:bought|buys) (\w+) \w+ with (\w+) (\w+) in each, so (she|he) (?:had|has) (\w+) (\w+)\.)",
                 200, [](const std::smatch& m, const std::string&) {
                   EXPECT_EQ(value(m[6]), value(m[2]) * value(m[3])) << m.str();
                   EXPECT_EQ(m[7], m[4]) << m.str();
                   EXPECT_EQ(m[5], is_woman(m[1]) ? "she" : "he") << m.str();
                 });
}

TEST(StoryRules, WhatWasHiddenIsFoundWhereItWasHidden) {
  for_each_match(
      R"((\w+) (?:hid|hides) (an?|two|three|four) (\w+) (\w+) ([a-z ]+)\. (\w+) looks?(?:ed)? ([a-z ]+), but the (\w+) (\w+) not there\. Then (she|he) looks?(?:ed)? ([a-z ]+) and (?:found|finds) the (\w+) (\w+)\.)",
      200, [](const std::smatch& m, const std::string&) {
        EXPECT_EQ(m[11], m[5]) << m.str();
        EXPECT_NE(m[7], m[5]) << m.str();
        EXPECT_EQ(m[12], m[3]) << m.str();
        EXPECT_EQ(m[8], m[4]) << m.str();
        EXPECT_EQ(m[13], m[4]) << m.str();
        const bool one = m[2] == "a" || m[2] == "an";
        EXPECT_EQ(m[9] == "was" || m[9] == "is", one) << m.str();
        const bool vowel = std::string("aeiou").find(m[3].str()[0]) != std::string::npos;
        EXPECT_TRUE(!one || m[2] == (vowel ? "an" : "a")) << m.str();
        EXPECT_EQ(m[10], is_woman(m[6]) ? "she" : "he") << m.str();
        EXPECT_NE(m[1], m[6]) << m.str();
      });
}

TEST(StoryRules, TheVerbAgreesWithItsSubjectAndNotWithTheNounBetween) {
  std::map<std::string, std::set<bool>> plural_of;
  for_each_match(
      R"x(The (\w+) that (\w+) (?:kept|keeps) near the (\w+) (was|were|is|are) (\w+)\. "What colour (was|were|is|are) the (\w+)\?" (?:asked|asks) (\w+)\. "(\w+)," (?:said|says) (\w+)\.)x",
      200, [&](const std::smatch& m, const std::string&) {
        EXPECT_EQ(m[4], m[6]) << m.str();
        EXPECT_EQ(m[7], m[1]) << m.str();
        EXPECT_EQ(m[10], m[2]) << m.str();
        EXPECT_NE(m[8], m[2]) << m.str();
        std::string colour = m[9];
        colour[0] = static_cast<char>(std::tolower(colour[0]));
        EXPECT_EQ(colour, m[5]) << m.str();
        plural_of[m[1]].insert(m[4] == "were" || m[4] == "are");
      });
  for (const auto& [noun, plurals] : plural_of) EXPECT_EQ(plurals.size(), 1u) << noun;  // a form has one number
}

TEST(StoryRules, NamesPronounsAndPlacesComeBack) {
  std::map<std::string, std::set<std::string>> workplaces, tools;
  for (uint32_t i = 0; i < kStories; ++i) {
    const std::string text = story::random_story(11, i).text;
    const std::regex head(
        R"(^[\w ]+ an? (\w+) (\w+) named (\w+) (lived|lives) in (\w+)\. (She|He) works?(?:ed)? at the (\w+) and used?s? an? (\w+)\. (Her|His) (\w+) (\w+) (?:was|is) \w+, but (\w+) (?:was|is) \w+\.)");
    std::smatch m;
    ASSERT_TRUE(std::regex_search(text, m, head)) << text;
    const std::string hero = m[3], other = m[11], relation = m[10];
    EXPECT_EQ(m[6], is_woman(hero) ? "She" : "He") << text;
    EXPECT_EQ(m[9], is_woman(hero) ? "Her" : "His") << text;
    EXPECT_EQ(m[12], hero) << text;
    EXPECT_NE(other, hero) << text;
    const bool female = relation == "sister" || relation == "aunt" || relation == "daughter";
    EXPECT_TRUE(!female || is_woman(other)) << text;
    const bool male = relation == "brother" || relation == "uncle" || relation == "son";
    EXPECT_TRUE(!male || !is_woman(other)) << text;
    workplaces[m[2]].insert(m[7]);
    tools[m[2]].insert(m[8]);

    const std::string last = sentences(text).back();
    EXPECT_TRUE(last.starts_with("In the end ")) << text;
    EXPECT_NE(last.find(m[5].str()), std::string::npos) << text;
    EXPECT_NE(last.find(other), std::string::npos) << text;
    const bool thanked = last.find("thank") != std::string::npos;
    EXPECT_NE(last.find(thanked ? m[1].str() + " " + m[2].str() : m[7].str()), std::string::npos) << text;
  }
  EXPECT_GE(workplaces.size(), 15u);
  for (const auto& [job, places] : workplaces) EXPECT_EQ(places.size(), 1u) << job;
  for (const auto& [job, job_tools] : tools) EXPECT_EQ(job_tools.size(), 1u) << job;
}

TEST(StoryRules, AStoryKeepsItsTense) {
  const std::regex past(R"(\b(was|were|had|gave|said|asked|found|went|came)\b)"),
      present(R"(\b(is|are|has|have|gives|says|asks|finds|goes|comes)\b)");
  int in_present = 0;
  for (uint32_t i = 0; i < kStories; ++i) {
    const std::string text = story::random_story(11, i).text;
    const bool is_present = text.find(" lives in ") != std::string::npos;
    in_present += is_present ? 1 : 0;
    EXPECT_FALSE(std::regex_search(text, is_present ? past : present)) << text;
    EXPECT_TRUE(std::regex_search(text, is_present ? present : past)) << text;
  }
  EXPECT_GT(in_present, static_cast<int>(kStories) / 5);
  EXPECT_LT(in_present, static_cast<int>(kStories) / 2);
}

}  // namespace
}  // namespace prunenet::test
