// Cutting into words: by hand for each kind, and for the expressions of LLaMA-3 and Qwen2.
#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/folders.h"

namespace prunenet::test {
namespace {

using namespace tokenization;
using Texts = std::vector<std::string>;

Texts words(const Json& description, const std::string& text, bool at_start = true) {
  const JsonNode root = JsonNode::parse(Json{{"pre_tokenizer", description}}.dump(), "tokenizer.json");
  const PreTokenization pre = read_pre_tokenizer(root["pre_tokenizer"]);
  PreTokens tokens{text, {{0, text.size()}}, at_start};
  for (const auto& step : pre.steps) step->apply(tokens);
  Texts found;
  for (const Span& span : tokens.words) found.emplace_back(span.of(tokens.text));
  return found;
}

Json split(const std::string& behavior, bool invert = false, const Json& pattern = {{"String", "-"}}) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}};
}

Json sequence(const std::vector<Json>& steps) {
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// The expressions as the models' files hold them.
const char* const kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json split_then_bytes(const char* regex) {
  return sequence({split("Isolated", false, {{"Regex", regex}}),
                   {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}});
}

TEST(PreTokenizer, Behaviors) {  // the example of the library's documentation
  const std::string text = "the-final--countdown";
  EXPECT_EQ(words(split("Removed"), text), (Texts{"the", "final", "countdown"}));
  EXPECT_EQ(words(split("Isolated"), text), (Texts{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(words(split("MergedWithPrevious"), text), (Texts{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(words(split("MergedWithNext"), text), (Texts{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(words(split("Contiguous"), text), (Texts{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(words(split("Removed", true), text), (Texts{"-", "-", "-"}));
  EXPECT_EQ(words(split("Isolated", true, {{"Regex", "[a-z]+"}}), "ab-"), (Texts{"ab", "-"}));
  EXPECT_EQ(words(split("Removed"), "-"), Texts{});
  EXPECT_EQ(words(sequence({split("Removed"), split("Isolated")}), "--"), Texts{});
}

TEST(PreTokenizer, Gpt2Words) {
  const Json gpt2{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  EXPECT_EQ(words(gpt2, "Hello  it's 2024!?\n\n ok"), (Texts{"Hello", " ", " it", "'s", " 2024", "!?", "\n\n", " ok"}));
  EXPECT_EQ(words(gpt2, "we'Ll"), (Texts{"we", "'", "Ll"}));
  EXPECT_EQ(words(gpt2, "tail  "), (Texts{"tail", "  "}));
  const Json prefixed{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}};
  EXPECT_EQ(words(prefixed, "a b"), (Texts{" a", " b"}));
  EXPECT_EQ(words(prefixed, " a"), (Texts{" a"}));
  EXPECT_EQ(words(prefixed, "\na"), (Texts{" ", "\n", "a"}));
}

TEST(PreTokenizer, Llama3Words) {
  const Json llama3 = split_then_bytes(kLlama3);
  EXPECT_EQ(words(llama3, "Hello world"), (Texts{"Hello", " world"}));
  EXPECT_EQ(words(llama3, "12345678"), (Texts{"123", "456", "78"}));
  EXPECT_EQ(words(llama3, " 1234"), (Texts{" ", "123", "4"}));
  EXPECT_EQ(words(llama3, "I'LL it's 'RE"), (Texts{"I", "'LL", " it", "'s", " '", "RE"}));
  EXPECT_EQ(words(llama3, "a.b(c)"), (Texts{"a", ".b", "(c", ")"}));
  EXPECT_EQ(words(llama3, "end.\n\nNext"), (Texts{"end", ".\n\n", "Next"}));
  EXPECT_EQ(words(llama3, "a   b"), (Texts{"a", "  ", " b"}));
  EXPECT_EQ(words(llama3, "a  \n  b"), (Texts{"a", "  \n", " ", " b"}));
  EXPECT_EQ(words(llama3, "\tx\t\ty"), (Texts{"\tx", "\t", "\ty"}));
  EXPECT_EQ(words(llama3, "私は 123"), (Texts{"私は", " ", "123"}));
  EXPECT_EQ(words(llama3, "🦙🦙 x"), (Texts{"🦙🦙", " x"}));
}

TEST(PreTokenizer, Qwen2TakesDigitsOneByOne) {
  const Json qwen2 = split_then_bytes(kQwen2);
  EXPECT_EQ(words(qwen2, "x 2024."), (Texts{"x", " ", "2", "0", "2", "4", "."}));
  EXPECT_EQ(words(qwen2, "don'T"), (Texts{"don", "'T"}));
}

TEST(PreTokenizer, DigitsPunctuationAndSpaces) {
  EXPECT_EQ(words({{"type", "Digits"}, {"individual_digits", false}}, "a12b3"), (Texts{"a", "12", "b", "3"}));
  EXPECT_EQ(words({{"type", "Digits"}, {"individual_digits", true}}, "a12²"), (Texts{"a", "1", "2", "²"}));
  EXPECT_EQ(words({{"type", "Punctuation"}}, "a?!b…"), (Texts{"a", "?", "!", "b", "…"}));
  EXPECT_EQ(words({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a?!b"), (Texts{"a", "?!", "b"}));
  EXPECT_EQ(words({{"type", "Whitespace"}}, "Hey man! é_1 $$a"), (Texts{"Hey", "man", "!", "é_1", "$$", "a"}));
  EXPECT_EQ(words({{"type", "WhitespaceSplit"}}, " Hey\u00a0man!\n"), (Texts{"Hey", "man!"}));
}

TEST(PreTokenizer, WhatFollowsByteLevelSeesItsAlphabet) {
  const Json falcon = sequence({{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}},
                                {{"type", "Digits"}, {"individual_digits", false}}});
  EXPECT_EQ(words(falcon, "a é1"), (Texts{"a", "ĠÃ©", "1"}));
  EXPECT_EQ(words(falcon, "²"), (Texts{"Â", "²"})) << "the byte 0xB2 is a digit in the alphabet";
}

TEST(PreTokenizer, Metaspace) {
  const auto metaspace = [](const Json& more) {
    Json json{{"type", "Metaspace"}, {"replacement", "▁"}};
    json.update(more);
    return json;
  };
  EXPECT_EQ(words(metaspace({{"prepend_scheme", "always"}}), "Hey  friend"), (Texts{"▁Hey", "▁", "▁friend"}));
  EXPECT_EQ(words(metaspace(Json::object()), " Hey"), (Texts{"▁Hey"}));
  EXPECT_EQ(words(metaspace({{"prepend_scheme", "never"}}), "Hey you"), (Texts{"Hey", "▁you"}));
  EXPECT_EQ(words(metaspace({{"prepend_scheme", "first"}, {"split", false}}), "Hey you"), (Texts{"▁Hey▁you"}));
  EXPECT_EQ(words(metaspace({{"prepend_scheme", "first"}, {"split", false}}), "Hey you", false), (Texts{"Hey▁you"}));
  EXPECT_EQ(words(metaspace({{"add_prefix_space", false}}), "Hey"), (Texts{"Hey"}));
  expect_error(ErrorCode::kMismatch, {"add_prefix_space", "always"}, [&] {
    words(metaspace({{"add_prefix_space", false}, {"prepend_scheme", "always"}}), "a");
  });
  expect_error(ErrorCode::kFormat, {"prepend_scheme", "sometimes"}, [&] {
    words(metaspace({{"prepend_scheme", "sometimes"}}), "a");
  });
  expect_error(ErrorCode::kFormat, {"replacement", "one character"}, [&] {
    words(metaspace({{"replacement", "ab"}}), "a");
  });
}

TEST(PreTokenizer, RefusesWhatItDoesNotKnow) {
  expect_error(ErrorCode::kUnsupported, {"tokenizer.json: pre_tokenizer", "UnicodeScripts"}, [] {
    words({{"type", "UnicodeScripts"}}, "a");
  });
  expect_error(ErrorCode::kUnsupported, {"pretokenizers[1]", "Other"}, [] {
    words(sequence({{{"type", "Whitespace"}}, {{"type", "Other"}}}), "a");
  });
  expect_error(ErrorCode::kUnsupported, {"behavior", "Thrown"}, [] { words(split("Thrown"), "a"); });
  expect_error(ErrorCode::kFormat, {"pre_tokenizer.type", "missing"}, [] { words(Json::object(), "a"); });
  expect_error(ErrorCode::kFormat, {"pattern"}, [] { words({{"type", "Split"}, {"behavior", "Isolated"}}, "a"); });
  Json nested{{"type", "Whitespace"}};
  for (int i = 0; i < 10; ++i) nested = sequence({nested});
  expect_error(ErrorCode::kFormat, {"nested deeper"}, [&] { words(nested, "a"); });
}

TEST(ByteLevel, TheAlphabetHasEveryByteOnce) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = byte_level_character(static_cast<unsigned char>(byte));
    EXPECT_EQ(byte_level_byte(character), static_cast<char>(byte));
    EXPECT_FALSE(is_space(character));
  }
  EXPECT_EQ(byte_level_character(' '), U'Ġ');
  EXPECT_EQ(byte_level_character('\n'), U'Ċ');
  EXPECT_EQ(byte_level_character('a'), U'a');
  EXPECT_EQ(byte_level_byte(U'我'), std::nullopt);
}

}  // namespace
}  // namespace prunenet::test
