// Learning a byte-pair vocabulary: an example worked by hand, the way there and back, and the file that others read.
#include "bpe_trainer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "story_corpus.h"
#include "support/support.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::test {
namespace {

constexpr const char* kSpace = "\u2581";

TEST(BpeTrainer, SplitsTextWhereMergesMayNotReach) {
  const std::string s = kSpace;
  EXPECT_EQ(bpe_units("She sat, \"so\".\nOnce  7"),
            (std::vector<std::string>{s + "She", s + "sat", ",", s + "\"", "so", "\"", ".", "\n", "Once", s, s + "7"}));
  EXPECT_EQ(bpe_units(""), (std::vector<std::string>{s}));
}

// low x5, lower x2, newest x6, widest x3: the example of Sennrich et al. 2016 (arXiv 1508.07909), here without an
// end-of-word mark. Pairs: es and st occur 9 times, es comes first in byte order; then es+t (9); lo (7); lo+w (7); ew
// (6) before ne, w+est and we; n+ew (6); new+est (6); then the pairs of widest (3): d+est, i+dest, w+idest.
TEST(BpeTrainer, WorksTheExampleOfThePaper) {
  const BpeVocabulary vocabulary = train_bpe({{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}}, 259 + 10 + 10);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"e", "s"},    {"es", "t"},    {"l", "o"},   {"lo", "w"},   {"e", "w"},
      {"ew", "est"}, {"n", "ewest"}, {"d", "est"}, {"i", "dest"}, {"w", "idest"}};
  EXPECT_EQ(vocabulary.merges, expected);
  ASSERT_EQ(vocabulary.pieces.size(), 279u);
  EXPECT_EQ(vocabulary.pieces[3 + 0x41], "<0x41>");
  EXPECT_EQ(vocabulary.pieces[259], "es");
  EXPECT_EQ(vocabulary.pieces[269], "d");  // the characters, in byte order
}

TEST(BpeTrainer, StopsWhereNothingOccursTwice) {
  const BpeVocabulary vocabulary = train_bpe({{"abc", 1}}, 1000);
  EXPECT_EQ(vocabulary.pieces.size(), 259u + 3u);
  expect_error(ErrorCode::kBadOption, {"vocabulary", "262"}, [] { train_bpe({{"abc", 1}}, 261); });
}

TEST(BpeTrainer, EncodesByTheOrderOfTheMerges) {
  BpeEncoder encoder(train_bpe({{"ab", 3}, {"bc", 5}}, 259 + 3 + 2));  // bc before ab
  EXPECT_EQ(encoder.encode("abc"), (std::vector<TokenId>{3 + 0xe2, 3 + 0x96, 3 + 0x81, 261, 259}));
}

TEST(BpeTrainer, DecodesWhatItEncoded) {
  BpeEncoder encoder = learn_story_tokenizer(7, 512);
  for (const char* text :
       {"", "Once a hen.", "  two  spaces ", "\nlines\n", "Zürich, 東京: 5 %", "\"Red,\" said Otto."}) {
    EXPECT_EQ(encoder.decode(encoder.encode(text)), text);
  }
}

// Both have learned nothing from each other's code: the tokenizer room reads the file as any other tokenizer.json.
TEST(BpeTrainer, TheTokenizerRoomReadsTheFileAlike) {
  BpeEncoder encoder = learn_story_tokenizer(7, 700);
  const TemporaryFolder folder;
  write_bytes(folder / "tokenizer.json", bpe_tokenizer_json(encoder.vocabulary()));
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 700);
  EXPECT_TRUE(tokenizer->adds_bos());
  std::vector<std::string> texts = {"Zürich, 東京", "a  b", "x\ny", "Olga's hat!"};
  for (uint32_t i = 0; i < 100; ++i)
    texts.push_back(story::random_story(8, i).text + "\n" + story::random_story(9, i).text);
  for (const std::string& text : texts) {
    std::vector<TokenId> expected = encoder.encode(text);
    expected.insert(expected.begin(), kBosToken);
    EXPECT_EQ(tokenizer->encode(text), expected) << text;
    EXPECT_EQ(tokenizer->decode(expected), text);
  }
}

}  // namespace
}  // namespace prunenet::test
