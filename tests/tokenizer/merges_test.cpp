// The fast merging against the plain one: look for the best pair, merge it, begin anew.
#include "tokenizer/merges.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace prunenet::test {
namespace {

using namespace tokenization;

class PlainMerges {
 public:
  void add(TokenId left, TokenId right, TokenId result) { list_[{left, right}] = {rank_++, result}; }
  void apply(std::vector<TokenId>& symbols) const {
    for (;;) {
      int best = -1;
      size_t at = 0;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto found = list_.find({symbols[i], symbols[i + 1]});
        if (found == list_.end() || (best >= 0 && found->second.first >= best)) continue;
        best = found->second.first;
        at = i;
      }
      if (best < 0) return;
      symbols[at] = list_.at({symbols[at], symbols[at + 1]}).second;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }

 private:
  std::map<std::pair<TokenId, TokenId>, std::pair<int, TokenId>> list_;
  int rank_ = 0;
};

TEST(Merges, EqualThePlainOnesOnRandomWords) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    // Ids 0 to 3 are letters; each merge makes the id of its text, which several pairs may share.
    std::vector<std::string> texts{"a", "b", "c", "d"};
    std::map<std::string, TokenId> ids{{"a", 0}, {"b", 1}, {"c", 2}, {"d", 3}};
    const size_t count = 1 + random() % 60;
    Merges fast(count);
    PlainMerges plain;
    for (size_t i = 0; i < count; ++i) {
      const auto left = static_cast<TokenId>(random() % texts.size()),
                 right = static_cast<TokenId>(random() % texts.size());
      const std::string text = texts[static_cast<size_t>(left)] + texts[static_cast<size_t>(right)];
      const auto [place, is_new] = ids.emplace(text, static_cast<TokenId>(texts.size()));
      if (is_new) texts.push_back(text);
      fast.add(left, right, place->second);
      plain.add(left, right, place->second);
    }
    for (int word = 0; word < 30; ++word) {
      std::vector<TokenId> symbols(random() % 80);
      for (TokenId& symbol : symbols) symbol = static_cast<TokenId>(random() % 4);
      std::vector<TokenId> expected = symbols;
      plain.apply(expected);
      fast.apply(symbols);
      ASSERT_EQ(symbols, expected) << "round " << round;
    }
  }
}

TEST(Merges, EqualPairsMergeFromTheLeft) {
  Merges merges(1);
  merges.add(0, 0, 1);
  std::vector<TokenId> symbols(5, 0);
  merges.apply(symbols);
  EXPECT_EQ(symbols, (std::vector<TokenId>{1, 1, 0}));
}

TEST(Merges, OfTwoOfOnePairTheLaterCounts) {
  Merges merges(3);
  merges.add(0, 1, 5);
  merges.add(1, 2, 6);
  merges.add(0, 1, 7);
  std::vector<TokenId> symbols{0, 1, 2};
  merges.apply(symbols);
  EXPECT_EQ(symbols, (std::vector<TokenId>{0, 6}));
  symbols = {0, 1};
  merges.apply(symbols);
  EXPECT_EQ(symbols, (std::vector<TokenId>{7}));
}

TEST(Merges, NothingToMergeStaysAsItIs) {
  const Merges merges(0);
  for (size_t size : {0, 1, 2, 9}) {
    std::vector<TokenId> symbols(size, 4);
    merges.apply(symbols);
    EXPECT_EQ(symbols, std::vector<TokenId>(size, 4));
  }
}

TEST(Merges, AWordOfAMillionSymbolsIsNoWorkOfMinutes) {
  Merges merges(20);
  for (TokenId id = 0; id < 20; ++id) merges.add(id, id, id + 1);
  std::vector<TokenId> symbols(1 << 20, 0);
  merges.apply(symbols);
  EXPECT_EQ(symbols, (std::vector<TokenId>{20}));
}

}  // namespace
}  // namespace prunenet::test
