// Texts that need no data: random tokens by their addresses, and the front of a text.
#include "calibrate/text.h"

#include <set>

#include "support/support.h"

namespace prunenet {
namespace {

ModelDescription model_of(int64_t vocab) {
  ModelDescription model;
  model.vocab = vocab;
  model.bos = 3;
  return model;
}

TEST(RandomText, ASequenceDependsOnSeedAndNumberAlone) {
  const ModelDescription model = model_of(500);
  const auto three = random_text(model, 3, 20, 7), five = random_text(model, 5, 20, 7),
             longer = random_text(model, 2, 50, 7);
  for (size_t s = 0; s < 3; ++s) EXPECT_EQ(three[s], five[s]);
  for (size_t s = 0; s < 2; ++s) EXPECT_TRUE(std::equal(three[s].begin(), three[s].end(), longer[s].begin()));
  EXPECT_NE(three[0], three[1]);
  EXPECT_NE(random_text(model, 1, 20, 8)[0], three[0]);
}

TEST(RandomText, BeginsAsTextsDoAndIsUniformOverTheVocabulary) {
  const ModelDescription model = model_of(10);
  std::vector<int64_t> count(10);
  for (const auto& ids : random_text(model, 100, 201, 1)) {
    ASSERT_EQ(ids.size(), 201U);
    EXPECT_EQ(ids[0], 3);
    for (size_t t = 1; t < ids.size(); ++t) ++count.at(static_cast<size_t>(ids[t]));
  }
  // 20000 draws: a cell holds 2000 with a deviation of 42.
  for (const int64_t n : count) EXPECT_NEAR(static_cast<double>(n), 2000, 5 * 42);
}

TEST(RandomText, OfOneWordAndWithoutABeginning) {
  ModelDescription model = model_of(4);
  EXPECT_EQ(random_text(model, 1, 1, 1), (std::vector<std::vector<TokenId>>{{3}}));
  EXPECT_TRUE(random_text(model, 0, 10, 1).empty());
  model.bos.reset();
  model.eos = {2};
  EXPECT_EQ(random_text(model, 1, 5, 1)[0][0], 2);
  model.eos.clear();
  test::expect_error(ErrorCode::kUnsupported, {"bos_token_id"}, [&] { random_text(model, 1, 5, 1); });
}

TEST(FirstTokens, TakesWholeSequencesUntilThereAreEnough) {
  const std::vector<std::vector<TokenId>> texts{{1, 2, 3}, {4}, {}, {5, 6}, {7, 8, 9, 10}};
  EXPECT_EQ(num_tokens(texts), 10);
  EXPECT_TRUE(first_tokens(texts, 0).empty());
  EXPECT_EQ(first_tokens(texts, 1), (std::vector<std::vector<TokenId>>{{1, 2, 3}}));
  EXPECT_EQ(first_tokens(texts, 3), (std::vector<std::vector<TokenId>>{{1, 2, 3}}));
  EXPECT_EQ(first_tokens(texts, 4), (std::vector<std::vector<TokenId>>{{1, 2, 3}, {5, 6}}))
      << "one id predicts nothing";
  EXPECT_EQ(first_tokens(texts, 1000), (std::vector<std::vector<TokenId>>{{1, 2, 3}, {5, 6}, {7, 8, 9, 10}}));
  EXPECT_TRUE(first_tokens({{1}, {}}, 5).empty());
}

// Options ask for at most a million sequences: what results are reported on, what is fitted and what choices are made
// on do not meet.
TEST(CalibrationSequences, AreApartFromThoseThatJudge) {
  EXPECT_GE(kFirstCalibrationSequence, 1'000'000);
  EXPECT_GE(kFirstJudgingSequence, kFirstCalibrationSequence + 1'000'000);
}

}  // namespace
}  // namespace prunenet
