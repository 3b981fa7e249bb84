// Regular expressions: what is found, what is refused, and that none runs for ever.
#include "tokenizer/regex.h"

#include "support/support.h"

namespace prunenet::test {
namespace {

using namespace tokenization;

std::vector<std::string> found(const Regex& regex, const std::string& text) {
  std::vector<Span> spans;
  regex.find_all(text, spans);
  std::vector<std::string> texts;
  for (const Span& span : spans) texts.emplace_back(span.of(text));
  return texts;
}

using Texts = std::vector<std::string>;

TEST(Regex, FindsFromLeftToRight) {
  EXPECT_EQ(found(Regex("[0-9]+", "t"), "a1b22c"), (Texts{"1", "22"}));
  EXPECT_EQ(found(Regex(R"(\p{L}+)", "t"), "Größe, 我 1"), (Texts{"Größe", "我"}));
  EXPECT_EQ(found(Regex("(?i:'s|'LL)", "t"), "it'S we'll"), (Texts{"'S", "'ll"}));
  EXPECT_EQ(found(Regex(R"(\s+(?!\S)|\s+)", "t"), "a   b"), (Texts{"  ", " "}));
  EXPECT_EQ(found(Regex("^.", "t"), "ab\ncd"), (Texts{"a", "c"})) << "in Ruby's syntax ^ stands at every line";
  EXPECT_EQ(found(Regex::literal("a.", "t"), "a.ab.a.a."), (Texts{"a.", "a.", "a."}));
  EXPECT_EQ(found(Regex::literal("", "t"), "abc"), Texts{});
}

TEST(Regex, EmptyMatchesMoveOn) {
  EXPECT_EQ(found(Regex("x*", "t"), "axxä"), (Texts{"", "xx", ""}));
  EXPECT_EQ(found(Regex("", "t"), ""), (Texts{""}));
}

TEST(Regex, AnEscapedByteIsNoLetterDigitOrSpace) {
  const std::string escape = escape_invalid("\xff");
  EXPECT_EQ(found(Regex(R"([^\s\p{L}\p{N}]+)", "t"), "a" + escape + escape + "b"), (Texts{escape + escape}));
  EXPECT_EQ(found(Regex(R"(\p{L}+)", "t"), "a" + escape + "b"), (Texts{"a", "b"}));
}

TEST(Regex, SpacesAreThoseOfUnicode) {
  // U+180E is none since Unicode 6.3; PCRE2's own \s takes it for one.
  const std::string text = "a\u00a0\u180e\u3000b";
  EXPECT_EQ(found(Regex(R"(\s+)", "t"), text), (Texts{"\u00a0", "\u3000"}));
  EXPECT_EQ(found(Regex(R"(\S+)", "t"), text), (Texts{"a", "\u180e", "b"}));
  EXPECT_EQ(found(Regex(R"([^\s\p{L}]+|[[:digit:]\s:]+)", "t"), text), (Texts{"\u00a0", "\u180e", "\u3000"}));
  EXPECT_EQ(found(Regex(R"([\S:]+)", "t"), text), (Texts{"a", "\u180e", "b"}));
  EXPECT_EQ(found(Regex(R"(\\s|[:\]]s)", "t"), R"(\s ]s s)"), (Texts{R"(\s)", "]s"}));
  const Regex space(R"(\s)", "t");
  for (char32_t value = 0; value < 0x3100; ++value) {
    std::string character;
    append_code_point(character, value);
    EXPECT_EQ(found(space, character).size(), is_space(value) ? 1u : 0u) << static_cast<uint32_t>(value);
  }
}

TEST(Regex, RefusesWhatIsNoExpression) {
  for (const char* pattern : {"(", "[a", "a{2,1}", R"(\p{Nonsense})", "*a", "(?<n>a"}) {
    expect_error(ErrorCode::kFormat, {"tokenizer.json: x", pattern}, [&] { Regex(pattern, "tokenizer.json: x"); });
  }
  expect_error(ErrorCode::kFormat, {"40000"}, [] { Regex(std::string(40000, 'a'), "t"); });
}

TEST(Regex, RefusesWhatMeansSomethingElseInOniguruma) {
  for (const auto& [pattern, part] : std::vector<std::pair<std::string, std::string>>{{"[a-z&&[^b]]", "&&"},
                                                                                      {"[a[b]]", "[b"},
                                                                                      {R"(\h)", R"(\h)"},
                                                                                      {R"(\p{N}{1,3}+)", "}+"},
                                                                                      {"(*UTF)a", "(*"},
                                                                                      {"(?m:.)", "(?m"}}) {
    expect_error(ErrorCode::kUnsupported, {part, pattern}, [&] { Regex(pattern, "t"); });
  }
  Regex(R"(\p{L}+|[\]&]|[[:alpha:]]|\x{20}+|a{2}|\[&&)", "t");
}

TEST(Regex, AnExpressionThatWouldRunForEverIsStopped) {
  const Regex regex("^(a|a)*[cd]", "tokenizer.json: pre_tokenizer");
  std::vector<Span> spans;
  expect_error(ErrorCode::kFormat, {"tokenizer.json: pre_tokenizer", "cannot be applied"},
               [&] { regex.find_all(std::string(60, 'a'), spans); });
}

TEST(Regex, ReplacingIsBounded) {
  std::string text = "a-b-c";
  Regex("-+", "t").replace_all(text, "▁");
  EXPECT_EQ(text, "a▁b▁c");
  text.assign(100'000, 'a');
  expect_error(ErrorCode::kFormat, {"times as long"},
               [&] { Regex("a", "t").replace_all(text, std::string(100, 'b')); });
}

}  // namespace
}  // namespace prunenet::test
