// tokenizer.json as a whole: nothing is lost on the way to ids and back, and each setting does what it says.
#include <thread>

#include "tokenizer/folders.h"
#include "tokenizer/random_text.h"

namespace prunenet::test {
namespace {

using Ids = std::vector<TokenId>;

const std::vector<std::pair<std::string, std::string>> kMerges{{"h", "e"},  {"l", "l"},    {"he", "ll"}, {"hell", "o"},
                                                               {"Ġ", "he"}, {"Ġhe", "ll"}, {"Ã", "©"},   {"a", "a"}};

TEST(JsonTokenizer, ByteLevelGivesEveryByteBack) {
  const auto tokenizer = open_json(byte_level_tokenizer(kMerges));
  std::mt19937 random(4);
  for (int i = 0; i < 600; ++i) {
    const std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 40);
    const Ids ids = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(ids), text);
    EXPECT_EQ(tokenizer->encode(text), ids) << "the second time comes from the cache";
  }
}

TEST(JsonTokenizer, ByteFallbackGivesEveryByteBack) {
  const auto tokenizer = open_json(spm_tokenizer({"▁", "a", "b", "▁a", "ab", "▁ab", "▁▁", "é"}));
  std::mt19937 random(5);
  for (int i = 0; i < 600; ++i) {
    const std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 40);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(JsonTokenizer, OnlyTheWrittenMarkComesBackAsASpace) {
  const auto tokenizer = open_json(spm_tokenizer({"▁"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a▁b")), "a b");
}

TEST(JsonTokenizer, NfcIsWhatComesBack) {
  Json json = byte_level_tokenizer(kMerges);
  json["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = open_json(json);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\u0301")), "\u00e9");
  EXPECT_EQ(tokenizer->encode("e\u0301"), (Ids{262}));
}

TEST(JsonTokenizer, MergesInTheOrderOfTheList) {
  const auto tokenizer = open_json(byte_level_tokenizer(kMerges));
  EXPECT_EQ(tokenizer->encode("hello hell he"), (Ids{259, ' ', 258, 260})) << "he and ll come before Ġ and he";
  EXPECT_EQ(tokenizer->encode("aaa"), (Ids{263, 'a'}));
}

TEST(JsonTokenizer, MergesMayBeTexts) {
  Json json = byte_level_tokenizer(kMerges), texts = Json::array({"#version: 0.2"});
  for (const auto& [left, right] : kMerges) texts.push_back(left + " " + right);
  json["model"]["merges"] = texts;
  EXPECT_EQ(open_json(json)->encode("hello hell he"), (Ids{259, ' ', 258, 260}));
}

TEST(JsonTokenizer, CuttingAtMarksChangesNothing) {
  // With a piece that reaches across a mark nothing is cut; it never occurs in the texts, so that ids must be the same.
  const std::vector<std::string> pieces{"▁", "a", "b", "c", "▁a", "ab", "▁ab", "▁▁", "▁▁▁", "bc", "▁b", "abc"};
  std::vector<std::string> crossing = pieces;
  crossing.insert(crossing.end(), {"#", "#▁"});
  const auto cut = open_json(spm_tokenizer(pieces)), whole = open_json(spm_tokenizer(crossing));
  std::mt19937 random(6);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text += "abc   "[random() % 6];
    EXPECT_EQ(cut->encode(text), whole->encode(text)) << text;
  }
}

TEST(JsonTokenizer, UnknownCharacters) {
  Json json = spm_tokenizer({"▁", "a"});
  json["normalizer"] = nullptr;
  json["model"]["byte_fallback"] = false;
  EXPECT_EQ(open_json(json)->encode("aéüaé"), (Ids{260, 0, 260, 0}));
  json["model"]["fuse_unk"] = false;
  EXPECT_EQ(open_json(json)->encode("aéüaé"), (Ids{260, 0, 0, 260, 0}));
  EXPECT_EQ(open_json(json)->encode("a\xff"), (Ids{260, 0}));
  json["model"]["unk_token"] = nullptr;
  EXPECT_EQ(open_json(json)->encode("aéüaé"), (Ids{260, 260})) << "as the tokenizers library: nothing";
}

TEST(JsonTokenizer, IgnoreMergesTakesWholeWords) {
  Json json = byte_level_tokenizer(kMerges);
  json["model"]["vocab"]["xyz"] = 264;
  EXPECT_EQ(open_json(json)->encode("xyz"), (Ids{'x', 'y', 'z'}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(open_json(json)->encode("xyz"), (Ids{264}));
  EXPECT_EQ(open_json(json)->encode("xyzz hello"), (Ids{'x', 'y', 'z', 'z', ' ', 259}));
}

TEST(JsonTokenizer, PostProcessorsPutTokensAround) {
  Json json = spm_tokenizer({"▁", "a"});
  const Json around{
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
        {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}}}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}}}, {"</s>", {{"id", "</s>"}, {"ids", {2}}}}}}};
  json["post_processor"] = around;
  auto tokenizer = open_json(json);
  EXPECT_EQ(tokenizer->encode("a"), (Ids{1, 259, 260, 2}));
  EXPECT_EQ(tokenizer->encode(""), (Ids{1, 2}));
  EXPECT_EQ(tokenizer->encode("a", {.add_special = false}), (Ids{259, 260}));
  EXPECT_EQ(tokenizer->bos(), 1) << "what the template puts first, where no file names it";
  EXPECT_TRUE(tokenizer->adds_bos());
  json["post_processor"] = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, around}}};
  EXPECT_EQ(open_json(json)->encode("a"), (Ids{1, 259, 260, 2}));
  json["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"<s>", 1}}, {"sep", {"</s>", 2}}};
  EXPECT_EQ(open_json(json)->encode("a"), (Ids{1, 259, 260, 2}));
}

TEST(JsonTokenizer, TheConfigHasTheLastWordOnBos) {
  const Json json = spm_tokenizer({"▁", "a"});
  const auto ids = [&](const Json& config) {
    return TokenizerFolder(json).write("tokenizer_config.json", config.dump()).open()->encode("a");
  };
  const Ids bare{259, 260}, with_bos{1, 259, 260};
  EXPECT_EQ(ids(Json::object()), bare);
  EXPECT_EQ(ids({{"bos_token", "<s>"}}), bare);
  EXPECT_EQ(ids({{"bos_token", "<s>"}, {"add_bos_token", true}}), with_bos);
  EXPECT_EQ(ids({{"bos_token", {{"content", "<s>"}}}, {"tokenizer_class", "LlamaTokenizer"}}), with_bos);
  EXPECT_EQ(ids({{"bos_token", "<s>"}, {"tokenizer_class", "LlamaTokenizer"}, {"add_bos_token", false}}), bare);
  EXPECT_EQ(ids({{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_eos_token", true}}), (Ids{259, 260, 2}));
  expect_error(ErrorCode::kMismatch, {"add_bos_token"}, [&] { ids({{"add_bos_token", true}}); });
  const auto from_map = TokenizerFolder(json)
                            .write("special_tokens_map.json", R"({"bos_token":{"content":"<s>"},"eos_token":"</s>"})")
                            .open();
  EXPECT_EQ(from_map->bos(), 1);
  EXPECT_EQ(from_map->eos(), 2);
  EXPECT_FALSE(from_map->adds_bos());
}

TEST(JsonTokenizer, VocabularyAndMergesInTwoFiles) {  // as OPT's
  const Json json = byte_level_tokenizer(kMerges);
  Json vocabulary = json["model"]["vocab"];
  vocabulary["</s>"] = vocabulary.size();
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : kMerges) merges += left + " " + right + "\n";
  TokenizerFolder folder;
  folder.write("vocab.json", vocabulary.dump());
  EXPECT_FALSE(has_tokenizer(folder.path()));
  folder.write("merges.txt", merges);
  EXPECT_TRUE(has_tokenizer(folder.path()));
  EXPECT_EQ(folder.open()->encode("hello é"), open_json(json)->encode("hello é"));
  folder.write("tokenizer_config.json",
               R"({"bos_token": "</s>", "add_bos_token": true, "tokenizer_class": "GPT2Tokenizer"})");
  EXPECT_EQ(folder.open()->encode("he"), (Ids{264, 256}));
  EXPECT_TRUE(folder.open()->is_special(264));
  EXPECT_EQ(folder.open()->decode(Ids{264, 256}), "he");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  expect_error(ErrorCode::kUnsupported, {"vocab.json", "CLIPTokenizer"}, [&] { folder.open(); });
  folder.write("tokenizer_config.json", "{}").write("merges.txt", "h e\nh q q\n");
  expect_error(ErrorCode::kFormat, {"merges.txt: model.merges[1]", "h q q"}, [&] { folder.open(); });
}

TEST(JsonTokenizer, Decoders) {
  const auto decoded = [](const Json& decoder, const Ids& ids) {
    Json json = spm_tokenizer({"▁", "▁a", "a▁", "b"});
    json["decoder"] = decoder;
    return open_json(json)->decode(ids);
  };
  EXPECT_EQ(decoded(nullptr, {260, 262}), "▁a b");
  EXPECT_EQ(decoded({{"type", "Metaspace"}, {"replacement", "▁"}}, {260, 260, 262}), "a ab");
  EXPECT_EQ(decoded({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "never"}}, {260, 260}), " a a");
  EXPECT_EQ(decoded({{"type", "Strip"}, {"content", "b"}, {"start", 0}, {"stop", 1}}, {262, 260}), "▁a");
  EXPECT_EQ(decoded({{"type", "Replace"}, {"pattern", {{"Regex", "[ab]"}}}, {"content", "x"}}, {260, 262}), "▁xx");
  EXPECT_EQ(decoded({{"type", "ByteFallback"}}, {3 + 0xe6, 3 + 0x88, 3 + 0x91, 3 + 0xff}), "我\xff");
}

TEST(JsonTokenizer, ThreadsShareOne) {
  const auto tokenizer = open_json(byte_level_tokenizer(kMerges));
  std::mt19937 random(7);
  std::vector<std::string> texts;
  std::vector<Ids> expected;
  for (int i = 0; i < 200; ++i) texts.push_back(random_unicode(random, 60));
  const auto fresh = open_json(byte_level_tokenizer(kMerges));
  for (const std::string& text : texts) expected.push_back(fresh->encode(text));
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < texts.size(); ++i) wrong[t] += tokenizer->encode(texts[i]) != expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace prunenet::test
