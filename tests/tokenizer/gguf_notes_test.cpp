// What a person is told of a GGUF vocabulary: where llama.cpp gives other ids than the folder's tokenizer.
#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/folders.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/trained_pieces.h"
#include "tokenizer/unicode.h"

namespace prunenet::test {
namespace {

using Notes = std::vector<std::string>;

/// Exactly one note for each list of words, in this order, and each is a text.
void expect_notes(const Notes& notes, const std::vector<std::vector<std::string>>& expected) {
  ASSERT_EQ(notes.size(), expected.size()) << testing::PrintToString(notes);
  for (size_t i = 0; i < notes.size(); ++i) {
    EXPECT_TRUE(tokenization::is_valid_utf8(notes[i])) << notes[i];
    for (const std::string& word : expected[i]) EXPECT_NE(notes[i].find(word), std::string::npos) << notes[i];
  }
}

// Phi-3: which special tokens take spaces along.

Json phi_like() {
  Json json = spm_tokenizer({"a", "▁", "▁a"});
  json["added_tokens"][2]["rstrip"] = true;  // </s>
  return json;
}

TEST(GgufNotes, SpacesBehindSpecialTokensGoByTheName) {
  const TokenizerFolder folder(phi_like());
  expect_notes(gguf_vocabulary(folder.path(), 262, "model").notes, {{"'</s>' takes", "'model'", "'phi-3'", "--name"}});
  const GgufVocabulary named = gguf_vocabulary(folder.path(), 262, "My-Phi-3-mini");
  expect_notes(named.notes, {});
  // The note speaks the truth.
  const auto own = folder.open(), by_name = make_tokenizer(named, "t"),
             otherwise = make_tokenizer(gguf_vocabulary(folder.path(), 262, "model"), "t");
  EXPECT_EQ(bare_ids(*by_name, "a</s> a", true), bare_ids(*own, "a</s> a", true));
  EXPECT_EQ(bare_ids(*otherwise, "a</s> a", true).size(), bare_ids(*own, "a</s> a", true).size() + 1);
}

TEST(GgufNotes, ANameMayAlsoTakeSpacesThatTheTokenizerLeaves) {
  const TokenizerFolder folder(spm_tokenizer({"a", "▁", "▁a"}));
  expect_notes(gguf_vocabulary(folder.path(), 262, "phi3-tuned").notes, {{"'</s>' takes", "'phi3-tuned'"}});
  expect_notes(gguf_vocabulary(folder.path(), 262, "tuned").notes, {});
  Json before = spm_tokenizer({"a", "▁", "▁a"});
  before["added_tokens"][0]["lstrip"] = before["added_tokens"][1]["lstrip"] = true;
  expect_notes(gguf_vocabulary(TokenizerFolder(before).path(), 262).notes, {{"'<unk>' and 1 other take", "before"}});
}

// Words: published expressions that llama.cpp's own rules are not quite.

const std::string kCased =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(CONTRACTION)|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(CONTRACTION)|(NUMBER)| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string cased(const std::string& contraction, const std::string& number) {
  std::string expression = kCased;
  const auto fill = [&](const std::string& name, const std::string& text) {
    for (size_t at = expression.find(name); at != expression.npos; at = expression.find(name))
      expression.replace(at, name.size(), text);
  };
  fill("(CONTRACTION)", contraction);
  fill("(NUMBER)", number);
  return expression;
}

Json split(const std::string& regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

/// Byte-level BPE that cuts words by these steps. Merges are pairs of bytes, as they stand in a text.
Json byte_level(Json steps, const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  std::vector<std::pair<std::string, std::string>> mapped;
  for (const auto& [left, right] : merges) {
    auto& [a, b] = mapped.emplace_back();
    // Bytes, which may be parts of characters.
    for (char c : left)
      tokenization::append_code_point(a, tokenization::byte_level_character(static_cast<unsigned char>(c)));
    for (char c : right)
      tokenization::append_code_point(b, tokenization::byte_level_character(static_cast<unsigned char>(c)));
  }
  Json tokenizer = byte_level_tokenizer(mapped);
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  tokenizer["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
  return tokenizer;
}

// A letter and its mark, in the bytes e0 a4 b9 and e0 a4 bf. The merges make the two characters one token.
const std::vector<std::pair<std::string, std::string>> kLetterAndMark{
    {"\xe0", "\xa4"}, {"\xe0\xa4", "\xb9"}, {"\xe0\xa4", "\xbf"}, {"\xe0\xa4\xb9", "\xe0\xa4\xbf"}};

TEST(GgufNotes, WordsThatEndAtMarksAreNoReasonToRefuse) {
  for (const bool ignores_merges : {true, false}) {
    Json tekken = byte_level(Json::array({split(cased("", R"(\p{N})"))}), kLetterAndMark);
    tekken["model"]["ignore_merges"] = ignores_merges;
    const TokenizerFolder folder(tekken);
    const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), 260);
    EXPECT_EQ(vocabulary.pre, "tekken");
    expect_notes(vocabulary.notes, {{"'tekken'", "behind", "259", "where llama.cpp makes 257"}});
    EXPECT_NE(bare_ids(*folder.open(), "हि"), bare_ids(*make_tokenizer(vocabulary, "t"), "हि"));
  }
  const std::string contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  const TokenizerFolder o200k(byte_level(Json::array({split(cased(contraction, R"(\p{N}{1,3})"))}), kLetterAndMark));
  const GgufVocabulary vocabulary = gguf_vocabulary(o200k.path(), 260);
  EXPECT_EQ(vocabulary.pre, "gpt-4o");
  expect_notes(vocabulary.notes, {{"'gpt-4o'", "behind"}});
}

TEST(GgufNotes, NoneWhereAllTextsAreReadAlike) {
  const TokenizerFolder folder(byte_level(Json::array({split(cased("", R"(\p{N})"))}), {{"h", "e"}}));
  expect_notes(gguf_vocabulary(folder.path(), 257).notes, {});
}

TEST(GgufNotes, ExamplesBeginAndEndWithWholeCharacters) {
  // The last byte of the letter and the first of the mark: the two part in the middle of a character.
  const TokenizerFolder folder(byte_level(Json::array({split(cased("", R"(\p{N})"))}), {{"\xb9", "\xe0"}}));
  const Notes notes = gguf_vocabulary(folder.path(), 257).notes;
  expect_notes(notes, {{"behind", "256"}});
  EXPECT_NE(notes.front().find("عالم ' it makes"), std::string::npos) << notes.front();
}

// The expressions of published files, as they are written there, but for characters that editors like to change.
const std::string kDeepseekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";

TEST(GgufNotes, DeepseeksPublishedRulesHaveNames) {
  const Json digits{{"type", "Digits"}, {"individual_digits", true}};
  const Json line_ends = split("[\r\n]"), cjk = split("[一-龥ࠀ-一가-퟿]+");
  const auto vocabulary = [](Json steps) {
    return gguf_vocabulary(TokenizerFolder(byte_level(std::move(steps), {{"h", "e"}})).path(), 257);
  };
  const GgufVocabulary coder = vocabulary({line_ends, split(R"(\s?\p{L}+)"), split(R"(\s?\p{P}+)"), cjk, digits});
  EXPECT_EQ(coder.pre, "deepseek-coder");
  expect_notes(coder.notes, {});
  const GgufVocabulary llm = vocabulary(
      {line_ends, split(kDeepseekLetters), split(R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)"), split(R"(\s+$)"), cjk, digits});
  EXPECT_EQ(llm.pre, "deepseek-llm");
  expect_notes(llm.notes, {});
  const GgufVocabulary third = vocabulary({split(R"(\p{N}{1,3})"), split("[一-龥぀-ゟ゠-ヿ]+"),
                                           split(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^)"
                                                 "\r\n"
                                                 R"(\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[)"
                                                 "\r\n"
                                                 R"(]*|\s*[)"
                                                 "\r\n"
                                                 R"(]+|\s+(?!\S)|\s+)")});
  EXPECT_EQ(third.pre, "deepseek-v3");
  expect_notes(third.notes, {});
}

// Added tokens that the model has no rows for.

TEST(GgufNotes, AddedTokensBeyondTheModelAreLeftOut) {
  Json json = spm_tokenizer({"a", "▁", "▁a"});
  json["added_tokens"].push_back({{"id", 262}, {"content", "<pad>"}, {"special", true}, {"normalized", false}});
  TokenizerFolder folder(json);
  folder.write("tokenizer_config.json", R"({"pad_token": "<pad>"})");
  folder.write("added_tokens.json", R"({"<pad>": 262})");
  folder.write("config.json", R"({"pad_token_id": 262})");
  const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), 262);
  EXPECT_EQ(vocabulary.tokens.size(), 262u);
  EXPECT_EQ(vocabulary.padding, std::nullopt);
  expect_notes(vocabulary.notes, {{"an added token", "262 tokens", "'<pad>' (id 262)"}});
  expect_notes(gguf_vocabulary(folder.path(), 263).notes, {});
  expect_error(ErrorCode::kMismatch, {"tokenizer.json", "▁a", "261"},
               [&] { (void)gguf_vocabulary(folder.path(), 261); });
}

TEST(GgufNotes, AddedTokensBesideAModelOfPieces) {
  TokenizerFolder folder;
  folder.write("tokenizer.model", llama_like_model());
  const auto size = static_cast<TokenId>(folder.open()->vocab_size());
  folder.write("added_tokens.json", Json{{"<pad>", size}, {"<x>", size + 1}}.dump());
  const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), size);
  EXPECT_EQ(vocabulary.tokens.size(), static_cast<size_t>(size));
  expect_notes(vocabulary.notes, {{"2 added tokens", "'<pad>'", "and others"}});
  // What stands around every text cannot be left out.
  folder.write("tokenizer_config.json", R"({"bos_token": "<pad>", "add_bos_token": true})");
  expect_error(ErrorCode::kMismatch, {"'<pad>'", "around", std::to_string(size)},
               [&] { (void)gguf_vocabulary(folder.path(), size); });
}

// The space before a text.

Json metaspace(const std::string& scheme) {
  Json json = spm_tokenizer({"O", "n", "c", "e", "u", "p", "o", "H", "l", "▁", "▁▁"});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", false}};
  return json;
}

TEST(GgufNotes, MetaspaceSparesTextsThatHaveASpace) {
  const std::vector<std::string> spaces{"begins with spaces", "'  Hello' becomes '▁▁' 'H' 'e'", "llama.cpp '▁"},
      special{"behind a special token", "'<s>Once</s>upon' becomes '<s>' 'O'", "llama.cpp '<s>' '▁' 'O'"};
  expect_notes(gguf_vocabulary(TokenizerFolder(metaspace("first")).path(), 270).notes, {spaces, special});
  expect_notes(gguf_vocabulary(TokenizerFolder(metaspace("always")).path(), 270).notes, {spaces});
  expect_notes(gguf_vocabulary(TokenizerFolder(metaspace("never")).path(), 270).notes, {});
  Json prepends = metaspace("first");
  prepends["normalizer"] = llama_normalizer();
  prepends["pre_tokenizer"] = nullptr;
  expect_notes(gguf_vocabulary(TokenizerFolder(prepends).path(), 270).notes, {});
}

}  // namespace
}  // namespace prunenet::test
