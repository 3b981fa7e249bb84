// Added tokens in a text: which are found, and what they take along.
#include "tokenizer/folders.h"

namespace prunenet::test {
namespace {

constexpr TokenId kFirst = 256;  // id of the first added token

Json token(const std::string& content, TokenId id, const Json& more = Json::object()) {
  Json json{{"id", id},        {"content", content}, {"special", false},   {"single_word", false},
            {"lstrip", false}, {"rstrip", false},    {"normalized", false}};
  json.update(more);
  return json;
}

std::unique_ptr<Tokenizer> with_tokens(const std::vector<Json>& tokens, const Json& normalizer = nullptr) {
  Json json = byte_level_tokenizer();
  json["added_tokens"] = tokens;
  json["normalizer"] = normalizer;
  return open_json(json);
}

/// Ids as a text: bytes as themselves, added tokens as <0>, <1>, ...
std::string shown(const std::vector<TokenId>& ids) {
  std::string text;
  for (TokenId id : ids)
    text += id < kFirst ? std::string(1, static_cast<char>(id)) : "<" + std::to_string(id - kFirst) + ">";
  return text;
}

std::string cut(const Tokenizer& tokenizer, const std::string& text, bool parse_special = false) {
  return shown(bare_ids(tokenizer, text, parse_special));
}

TEST(AddedTokens, SpecialOnesAreTextUnlessAsked) {
  const auto tokenizer = with_tokens({token("</s>", 256, {{"special", true}}), token("[X]", 257)});
  EXPECT_EQ(cut(*tokenizer, "a</s>[X]b"), "a</s><1>b");
  EXPECT_EQ(cut(*tokenizer, "a</s>[X]b", true), "a<0><1>b");
  const auto ids = bare_ids(*tokenizer, "a</s>[X]b", true);
  EXPECT_EQ(tokenizer->decode(ids), "a[X]b");
  EXPECT_EQ(tokenizer->decode(ids, true), "a</s>[X]b");
  EXPECT_TRUE(tokenizer->is_special(256));
  EXPECT_FALSE(tokenizer->is_special(257));
  EXPECT_EQ(tokenizer->token(256), "</s>");
  EXPECT_EQ(tokenizer->vocab_size(), 258);
}

TEST(AddedTokens, TheLongestAtAPlaceWins) {
  const auto tokenizer = with_tokens({token("  ", 256), token("    ", 257), token("ab", 258), token("abc", 259)});
  EXPECT_EQ(cut(*tokenizer, "x       y"), "x<1><0> y");
  EXPECT_EQ(cut(*tokenizer, "abcabab"), "<3><2><2>");
  EXPECT_EQ(cut(*tokenizer, ""), "");
}

TEST(AddedTokens, StripTakesSpacesAlong) {
  const auto left = with_tokens({token("<m>", 256, {{"lstrip", true}})});
  EXPECT_EQ(cut(*left, "a \n <m> b"), "a<0> b");
  EXPECT_EQ(cut(*left, "<m> <m>"), "<0><0>");
  const auto right = with_tokens({token("<m>", 256, {{"rstrip", true}})});
  EXPECT_EQ(cut(*right, "a <m> \u00a0\tb <m> "), "a <0>b <0>");
  const auto both = with_tokens({token("<m>", 256, {{"rstrip", true}, {"lstrip", true}})});
  EXPECT_EQ(cut(*both, "  <m>  <m>  "), "<0><0>");
  const auto spaces = with_tokens({token(" ", 256, {{"rstrip", true}})});
  EXPECT_EQ(cut(*spaces, "a   b"), "a<0><0><0>b");
}

TEST(AddedTokens, SingleWordsStandAlone) {
  const auto tokenizer = with_tokens({token("ing", 256, {{"single_word", true}})});
  EXPECT_EQ(cut(*tokenizer, "ing king inge (ing) ing"), "<0> king inge (<0>) <0>");
  EXPECT_EQ(cut(*tokenizer, "ing_ \u00e9ing"), "ing_ \u00e9ing");
}

TEST(AddedTokens, NormalizedOnesAreSoughtInTheNormalisedText) {
  const Json lowercase{{"type", "Lowercase"}};
  const std::vector<Json> tokens{token("Big", 256, {{"normalized", true}}), token("Raw", 257)};
  const auto tokenizer = with_tokens(tokens, lowercase);
  EXPECT_EQ(cut(*tokenizer, "BIG big Raw raw RAW"), "<0> <0> <1> raw raw");
}

TEST(AddedTokens, APrefixOfTheNormalizerStandsAtEveryStretch) {
  Json json = spm_tokenizer({"▁", "a", "b", "▁a"});
  const auto tokenizer = open_json(json);
  const TokenId a = 262, b = 261, mark = 259;
  EXPECT_EQ(bare_ids(*tokenizer, "a</s>b", true), (std::vector<TokenId>{a, 2, mark, b}));
  EXPECT_EQ(bare_ids(*tokenizer, "</s>", true), (std::vector<TokenId>{2}));
}

TEST(AddedTokens, RefusesWhatContradictsTheVocabulary) {
  expect_error(ErrorCode::kMismatch, {"added_tokens[0]", "'a'", "7"}, [] { with_tokens({token("a", 7)}); });
  expect_error(ErrorCode::kFormat, {"added_tokens[0]", "'new'", "7"}, [] { with_tokens({token("new", 7)}); });
  expect_error(ErrorCode::kFormat, {"added_tokens[1]", "256"}, [] {
    with_tokens({token("x1", 256), token("x2", 256)});
  });
  expect_error(ErrorCode::kFormat, {"added_tokens[1]", "'x1'"}, [] {
    with_tokens({token("x1", 256), token("x1", 257)});
  });
  expect_error(ErrorCode::kFormat, {"added_tokens[0]", "2000000000"}, [] { with_tokens({token("far", 2'000'000'000)}); });
  expect_error(ErrorCode::kFormat, {"added_tokens[0].id"}, [] { with_tokens({token("x", -1)}); });
  expect_error(ErrorCode::kFormat, {"2000 bytes"}, [] { with_tokens({token(std::string(2000, 'x'), 256)}); });
}

}  // namespace
}  // namespace prunenet::test
