// From the tokenizer files of a folder to a GGUF vocabulary.
#include <sentencepiece_processor.h>

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/folders.h"
#include "tokenizer/gguf_file.h"
#include "tokenizer/random_text.h"
#include "tokenizer/trained_pieces.h"
#include "tokenizer/word_rules.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;

int32_t number(GgufTokenType type) {
  return static_cast<int32_t>(type);
}

void expect_same_ids(const Tokenizer& a, const Tokenizer& b, size_t texts) {
  std::mt19937 random(5);
  for (size_t i = 0; i < texts; ++i) {
    const std::string text = random_words(random);
    EXPECT_EQ(a.encode(text), b.encode(text)) << text;
  }
}

TEST(GgufFolder, PiecesScoresAndTypesAreThoseOfTheModel) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(llama_like_model()).ok());
  TokenizerFolder folder;
  folder.write("tokenizer.model", llama_like_model());
  const int size = library.GetPieceSize();
  const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), size + 2);
  EXPECT_EQ(vocabulary.model, "llama");
  EXPECT_EQ(vocabulary.pre, "default");
  ASSERT_EQ(vocabulary.tokens.size(), static_cast<size_t>(size) + 2);
  ASSERT_EQ(vocabulary.scores.size(), vocabulary.tokens.size());
  std::array<int, 7> kinds{};
  for (int id = 0; id < size; ++id) {
    const auto at = static_cast<size_t>(id);
    EXPECT_EQ(vocabulary.tokens[at], library.IdToPiece(id));
    EXPECT_EQ(vocabulary.scores[at], library.GetScore(id));
    const GgufTokenType type = library.IsUnknown(id)            ? GgufTokenType::kUnknown
                               : library.IsControl(id)          ? GgufTokenType::kControl
                               : library.IsByte(id)             ? GgufTokenType::kByte
                               : library.IdToPiece(id) == "[X]" ? GgufTokenType::kUserDefined
                                                                : GgufTokenType::kNormal;
    EXPECT_EQ(vocabulary.types[at], number(type)) << vocabulary.tokens[at];
    ++kinds[static_cast<size_t>(type)];
  }
  EXPECT_EQ(kinds[2], 1);
  EXPECT_EQ(kinds[3], 2);
  EXPECT_EQ(kinds[4], 1);
  EXPECT_EQ(kinds[6], 256);
  EXPECT_EQ(vocabulary.tokens.back(), "[PAD" + std::to_string(size + 1) + "]");
  EXPECT_EQ(vocabulary.types.back(), number(GgufTokenType::kUnused));
  EXPECT_EQ(vocabulary.scores.back(), -10000);
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.bos, 1);
  EXPECT_EQ(vocabulary.eos, 2);
  EXPECT_EQ(vocabulary.padding, std::nullopt);
  EXPECT_EQ(vocabulary.add_bos, true);
  EXPECT_EQ(vocabulary.add_eos, false);
  EXPECT_EQ(vocabulary.add_space_prefix, std::nullopt);
  const auto tokenizer = make_tokenizer(vocabulary, "t");
  for (const std::string& sentence : sentences()) {
    EXPECT_EQ(bare_ids(*tokenizer, sentence), library.EncodeAsIds(sentence));
  }
  expect_same_ids(*tokenizer, *folder.open(), 200);
}

TEST(GgufFolder, SideFilesBesideTheModel) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(llama_like_model()).ok());
  const TokenId size = library.GetPieceSize();
  TokenizerFolder folder;
  folder.write("tokenizer.model", llama_like_model());
  folder.write("added_tokens.json", Json{{"<pad>", size}, {"[Y]", size + 1}}.dump());
  Json added{{"1", {{"content", "<s>"}, {"special", true}}},
             {std::to_string(size + 2), {{"content", "▁▁"}, {"special", false}}},
             {std::to_string(size + 3), {{"content", "<|user|>"}, {"special", false}}}};
  folder.write("tokenizer_config.json", Json{{"added_tokens_decoder", added},
                                             {"bos_token", "<s>"},
                                             {"eos_token", {{"content", "<|user|>"}}},
                                             {"pad_token", "<pad>"},
                                             {"unk_token", "<unk>"},
                                             {"add_bos_token", false},
                                             {"add_eos_token", true},
                                             {"chat_template", "{{ x }}"}}
                                            .dump());
  const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), size + 4);
  const auto at = [&](TokenId id) { return static_cast<size_t>(id); };
  EXPECT_EQ(vocabulary.types[1], number(GgufTokenType::kControl));
  EXPECT_EQ(vocabulary.scores[1], 0) << "the model's own";
  EXPECT_EQ(vocabulary.types[at(size)], number(GgufTokenType::kControl)) << "<pad> looks special";
  EXPECT_EQ(vocabulary.types[at(size + 1)], number(GgufTokenType::kUserDefined));
  EXPECT_EQ(vocabulary.tokens[at(size + 2)], "  ") << "sought where spaces are not marks yet";
  EXPECT_EQ(vocabulary.types[at(size + 2)], number(GgufTokenType::kUserDefined));
  EXPECT_EQ(vocabulary.scores[at(size + 2)], -1000);
  EXPECT_EQ(vocabulary.types[at(size + 3)], number(GgufTokenType::kControl)) << "<|user|> looks special";
  EXPECT_EQ(vocabulary.bos, 1);
  EXPECT_EQ(vocabulary.eos, size + 3);
  EXPECT_EQ(vocabulary.padding, size);
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.add_bos, false);
  EXPECT_EQ(vocabulary.add_eos, true);
  EXPECT_EQ(vocabulary.chat_template, "{{ x }}");
  expect_error(ErrorCode::kMismatch, {"tokenizer.model", "<|user|>", std::to_string(size + 3)},
               [&] { (void)gguf_vocabulary(folder.path(), size + 3); });
}

TEST(GgufFolder, ModelsThatLlamaCppCannotMerge) {
  const auto refused = [](const std::string& options, const std::vector<std::string>& words) {
    TokenizerFolder folder;
    folder.write("tokenizer.model", trained_model(options));
    expect_error(ErrorCode::kUnsupported, words, [&] { (void)gguf_vocabulary(folder.path(), 1000); });
  };
  const std::string plain = "--normalization_rule_name=identity --remove_extra_whitespaces=false ";
  refused(plain + "--model_type=unigram --vocab_size=120", {"tokenizer.model", "unigram"});
  refused("--model_type=bpe --remove_extra_whitespaces=false --normalization_rule_name=nmt_nfkc",
          {"tokenizer.model", "nmt_nfkc"});
  refused("--model_type=bpe --normalization_rule_name=identity", {"remove_extra_whitespaces"});
  refused(plain + "--model_type=bpe --treat_whitespace_as_suffix=true", {"treat_whitespace_as_suffix"});
  TokenizerFolder folder;
  folder.write("tokenizer.model",
               trained_model(plain + "--model_type=bpe --byte_fallback=true --add_dummy_prefix=false"));
  EXPECT_EQ(gguf_vocabulary(folder.path(), 1000).add_space_prefix, false);
}

TEST(GgufFolder, PiecesWrittenAsBpe) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path folder = data / "models" / "stories260K";
  const GgufVocabulary vocabulary = gguf_vocabulary(folder, 512),
                       file = read_gguf_vocabulary(folder / "stories260K.gguf");
  EXPECT_EQ(vocabulary.model, "llama");
  EXPECT_EQ(vocabulary.tokens, file.tokens);
  EXPECT_EQ(vocabulary.types, file.types);
  EXPECT_EQ(vocabulary.bos, 1);
  EXPECT_EQ(vocabulary.eos, 2);
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.add_bos, true);
  const auto made = make_tokenizer(vocabulary, "t"), own = open_tokenizer(folder), by_file = make_tokenizer(file, "t");
  expect_same_ids(*made, *own, 3000);
  expect_same_ids(*made, *by_file, 3000);
  // The scores are other numbers, but put the pieces that merges make in the same order.
  std::vector<size_t> order;
  for (size_t id = 0; id < 512; ++id) {
    if (file.types[id] == 1 && vocabulary.tokens[id].size() > 4) order.push_back(id);
  }
  const auto sorted = [&](const std::vector<float>& scores) {
    std::vector<size_t> ids = order;
    std::stable_sort(ids.begin(), ids.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    return ids;
  };
  EXPECT_EQ(sorted(vocabulary.scores), sorted(file.scores));
}

TEST(GgufFolder, MergesThatOneScoreAPieceCannotState) {
  Json json = spm_tokenizer({"a", "b", "c", "▁", "ab", "bc", "abc"});
  json["model"]["merges"] = Json::array({Json::array({"a", "b"}), Json::array({"b", "c"}), Json::array({"a", "bc"})});
  // 'abc' becomes ab c here, and llama.cpp goes on to abc.
  const TokenizerFolder folder(json);
  expect_error(ErrorCode::kUnsupported, {"tokenizer.json", "cannot state", "'ab'", "'abc'"},
               [&] { (void)gguf_vocabulary(folder.path(), 266); });
  json["model"]["merges"].push_back(Json::array({"ab", "c"}));
  EXPECT_EQ(gguf_vocabulary(TokenizerFolder(json).path(), 266).tokens.size(), 266u);
}

TEST(GgufFolder, GptNeox) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path folder = data / "tokenizers" / "gpt-neox";
  const GgufVocabulary vocabulary = gguf_vocabulary(folder, 50432);
  EXPECT_EQ(vocabulary.model, "gpt2");
  EXPECT_EQ(vocabulary.pre, "gpt-2");
  EXPECT_EQ(vocabulary.merges.size(), 50009u);
  EXPECT_TRUE(vocabulary.scores.empty());
  EXPECT_EQ(vocabulary.types[0], number(GgufTokenType::kControl));
  EXPECT_EQ(vocabulary.tokens[50276], "  ");
  EXPECT_EQ(vocabulary.types[50276], number(GgufTokenType::kUserDefined));
  EXPECT_EQ(vocabulary.tokens[50431], "[PAD50431]");
  EXPECT_EQ(vocabulary.types[50431], number(GgufTokenType::kUnused));
  const auto made = make_tokenizer(vocabulary, "t"), own = open_tokenizer(folder);
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    const std::string text = tokenization::normalised(random_words(random), tokenization::NormalForm::kNfc);
    EXPECT_EQ(bare_ids(*made, text), bare_ids(*own, text)) << text;
  }
  EXPECT_NE(bare_ids(*made, "e\u0301"), bare_ids(*own, "e\u0301")) << "llama.cpp composes nothing";
}

Json with(const std::string& pointer, const Json& value) {
  Json tokenizer = byte_level_tokenizer({{"a", "b"}});
  tokenizer[Json::json_pointer(pointer)] = value;
  return tokenizer;
}

Json split(const std::string& regex, const std::string& behavior = "Isolated") {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", false}};
}

Json sequence(Json steps) {
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

TEST(GgufFolder, NamesOfWordRules) {
  const Json plain{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}},
      bytes{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}},
      digit{{"type", "Digits"}, {"individual_digits", true}};
  const std::string qwen =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string llama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const Json falcon = sequence({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                                plain,
                                {{"type", "Digits"}, {"individual_digits", false}},
                                split("[0-9][0-9][0-9]")});
  const auto name = [](const Json& tokenizer) { return gguf_vocabulary(TokenizerFolder(tokenizer).path(), 300).pre; };
  EXPECT_EQ(name(byte_level_tokenizer()), "gpt-2");
  EXPECT_EQ(name(with("/pre_tokenizer", sequence({split(qwen), bytes}))), "qwen2");
  Json with_llama3 = with("/pre_tokenizer", sequence({split(llama3), bytes}));
  EXPECT_EQ(name(with_llama3), "smaug-bpe");
  with_llama3["model"]["ignore_merges"] = true;
  EXPECT_EQ(name(with_llama3), "llama-bpe");
  EXPECT_EQ(name(with("/pre_tokenizer", sequence({digit, plain}))), "starcoder");
  EXPECT_EQ(name(with("/normalizer", {{"type", "NFC"}})), "gpt-2");
  EXPECT_EQ(name(with("/pre_tokenizer", falcon)), "falcon");
  TokenizerFolder phi(byte_level_tokenizer());
  phi.write("tokenizer_config.json", R"({"tokenizer_class": "CodeGenTokenizer"})");
  EXPECT_EQ(gguf_vocabulary(phi.path(), 300).pre, "phi-2");
}

TEST(GgufFolder, WhatGgufCannotState) {
  const auto refused = [](const Json& tokenizer, const std::vector<std::string>& words) {
    const TokenizerFolder folder(tokenizer);
    std::vector<std::string> all = words;
    all.emplace_back("tokenizer.json");
    expect_error(ErrorCode::kUnsupported, all, [&] { (void)gguf_vocabulary(folder.path(), 300); });
  };
  refused(with("/normalizer", {{"type", "Lowercase"}}), {"normalizer", "Lowercase"});
  refused(with("/normalizer", {{"type", "NFKC"}}), {"normalizer", "NFKC"});
  refused(with("/pre_tokenizer/add_prefix_space", true), {"pre_tokenizer", "space"});
  refused(with("/pre_tokenizer", sequence({split("[a-z]+"), {{"type", "ByteLevel"}, {"add_prefix_space", false}}})),
          {"no name", "[a-z]+"});
  refused(with("/model/type", "WordPiece"), {"model", "WordPiece"});
  refused(with("/model/ignore_merges", true), {"no name"});
  refused(with("/post_processor", {{"type", "BertProcessing"}, {"cls", {"a", 97}}, {"sep", {"b", 98}}}), {"'b'"});
  Json pieces = spm_tokenizer({"a", "▁", "▁a"});
  pieces["normalizer"]["normalizers"].push_back({{"type", "Strip"}});
  refused(pieces, {"normalizer", "Strip"});
  pieces = spm_tokenizer({"a", "▁", "▁a"});
  pieces["pre_tokenizer"] = {{"type", "Whitespace"}};
  refused(pieces, {"pre_tokenizer", "Whitespace"});
  const TokenizerFolder large(byte_level_tokenizer({{"a", "b"}}));
  expect_error(ErrorCode::kMismatch, {"tokenizer.json", "'ab'", "256"},
               [&] { (void)gguf_vocabulary(large.path(), 256); });
  expect_error(ErrorCode::kBadOption, {"-1"}, [&] { (void)gguf_vocabulary(large.path(), -1); });
  expect_error(ErrorCode::kNotFound, {"no tokenizer"}, [] { (void)gguf_vocabulary(TokenizerFolder().path(), 1); });
}

TEST(GgufFolder, VocabJsonAndMerges) {
  const Json tokenizer = byte_level_tokenizer({{"a", "b"}, {"ab", "c"}});
  TokenizerFolder folder;
  folder.write("vocab.json", tokenizer["model"]["vocab"].dump());
  folder.write("merges.txt", "#version: 0.2\na b\nab c\n");
  folder.write("tokenizer_config.json", R"({"bos_token": "abc", "eos_token": "abc"})");
  const GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), 260);
  EXPECT_EQ(vocabulary.pre, "gpt-2");
  EXPECT_EQ(vocabulary.merges, (std::vector<std::string>{"a b", "ab c"}));
  EXPECT_EQ(vocabulary.bos, 257);
  EXPECT_EQ(vocabulary.types[257], number(GgufTokenType::kControl));
  EXPECT_EQ(vocabulary.add_bos, false);
  expect_same_ids(*make_tokenizer(vocabulary, "t"), *folder.open(), 100);
}

TEST(GgufFolder, ATokenizerModelBesideByteLevelBpeIsAnotherProgramsFile) {
  TokenizerFolder folder(byte_level_tokenizer({{"a", "b"}}));
  folder.write("tokenizer.model", "IQ== 0\nIg== 1\n");
  EXPECT_EQ(gguf_vocabulary(folder.path(), 257).model, "gpt2");
}

TEST(GgufFolder, RolesByNumberAndTemplatesOfChats) {
  TokenizerFolder folder(byte_level_tokenizer());
  folder.write("config.json", R"({"bos_token_id": 65, "eos_token_id": [66, 67], "pad_token_id": 900})");
  folder.write("generation_config.json", R"({"pad_token_id": 68, "bos_token_id": 1})");
  GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), 256);
  EXPECT_EQ(vocabulary.bos, 65);
  EXPECT_EQ(vocabulary.eos, 66);
  EXPECT_EQ(vocabulary.padding, 68) << "900 is in no vocabulary of 256";
  EXPECT_EQ(vocabulary.chat_template, "");
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]})");
  EXPECT_EQ(gguf_vocabulary(folder.path(), 256).chat_template, "D");
  folder.write("chat_template.json", R"({"chat_template": "J"})");
  EXPECT_EQ(gguf_vocabulary(folder.path(), 256).chat_template, "J");
  folder.write("chat_template.jinja", "jinja\n");
  EXPECT_EQ(gguf_vocabulary(folder.path(), 256).chat_template, "jinja\n");
}

}  // namespace
}  // namespace prunenet::test
