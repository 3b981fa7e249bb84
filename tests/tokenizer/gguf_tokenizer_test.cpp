// GGUF vocabularies: the ids of llama.cpp. The numbers were taken from llama.cpp 0.5.0; what it does by definition is
// done here once more, slowly.
#include <map>

#include "tokenizer/folders.h"
#include "tokenizer/gguf_file.h"
#include "tokenizer/gguf_vocabularies.h"
#include "tokenizer/random_text.h"
#include "tokenizer/stream_decoder.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;

struct Sum {
  size_t ids = 0;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a over ids, with -1 behind each text

  void add(TokenId id) { hash = (hash ^ static_cast<uint32_t>(id)) * 0x100000001b3; }
};

/// Of 500 texts by chance.
Sum sum_of(const Tokenizer& tokenizer, bool parse_special) {
  std::mt19937 random(47);
  Sum sum;
  for (int i = 0; i < 500; ++i) {
    const Ids ids = bare_ids(tokenizer, random_words(random), parse_special);
    sum.ids += ids.size();
    for (TokenId id : ids) sum.add(id);
    sum.add(-1);
  }
  return sum;
}

TEST(GgufTokenizer, FilesGiveLlamaCppsIds) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  struct Case {
    const char* file;
    Sum plain, special;
  };
  for (const Case& expected : {
           Case{"tokenizers/ggml-vocab-llama-spm", {20253, 0x55c18bc65b5ee80f}, {20034, 0xfd9c631436754d67}},
           Case{"tokenizers/ggml-vocab-phi-3", {20253, 0x55c18bc65b5ee80f}, {19627, 0xd4b98e89b5c2a576}},
           Case{"tokenizers/ggml-vocab-falcon", {21989, 0x606e6065cb4689cc}, {21645, 0xe099e904cef19083}},
           Case{"tokenizers/ggml-vocab-gpt-2", {24162, 0x34bdfb4f574d4948}, {23785, 0x3547a19bf302a341}},
           Case{"models/stories260K/stories260K", {34557, 0xf461644e27029362}, {34180, 0x5acb6c2ea25ea7a0}},
       }) {
    SCOPED_TRACE(expected.file);
    const auto tokenizer = make_tokenizer(read_gguf_vocabulary(data / (std::string(expected.file) + ".gguf")), "t");
    const Sum plain = sum_of(*tokenizer, false), special = sum_of(*tokenizer, true);
    EXPECT_EQ(plain.ids, expected.plain.ids);
    EXPECT_EQ(plain.hash, expected.plain.hash);
    EXPECT_EQ(special.ids, expected.special.ids);
    EXPECT_EQ(special.hash, expected.special.hash);
  }
}

TEST(GgufTokenizer, WordRulesGiveLlamaCppsIds) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::map<std::string, Sum> rules{
      {"default", {24859, 0xf84baaadcbdef979}},      {"", {24859, 0xf84baaadcbdef979}},
      {"llama-bpe", {24160, 0xb82d23d6af8b83dc}},    {"llama3", {24160, 0xb82d23d6af8b83dc}},
      {"smaug-bpe", {24160, 0xb82d23d6af8b83dc}},    {"gpt-2", {24162, 0x34bdfb4f574d4948}},
      {"olmo", {24162, 0x34bdfb4f574d4948}},         {"phi-2", {24162, 0x34bdfb4f574d4948}},
      {"qwen2", {25212, 0xad19daf21b632b7b}},        {"falcon", {24785, 0xdc96cd1493272bcd}},
      {"starcoder", {25337, 0x39951f80cdc5b669}},    {"command-r", {25337, 0x39951f80cdc5b669}},
      {"tekken", {25211, 0x712c2f36724e594f}},       {"gpt-4o", {24159, 0x6c7a4e5c9ebd7958}},
      {"deepseek-llm", {24780, 0x48cfdaef383c1e71}}, {"deepseek-coder", {25957, 0xc2abb547f5f611ac}},
      {"deepseek-v3", {24243, 0x68f53a42ab639484}},  {"seed-coder", {25212, 0xad19daf21b632b7b}},
      {"poro-chat", {24017, 0x9d70428d0d113fd2}},    {"viking", {25213, 0xa3b80fbb9c0a7ecb}}};
  GgufVocabulary vocabulary = read_gguf_vocabulary(data / "tokenizers" / "ggml-vocab-gpt-2.gguf");
  for (const auto& [name, expected] : rules) {
    SCOPED_TRACE(name);
    vocabulary.pre = name;
    const Sum sum = sum_of(*make_tokenizer(vocabulary, "t"), false);
    EXPECT_EQ(sum.ids, expected.ids);
    EXPECT_EQ(sum.hash, expected.hash);
  }
}

TEST(GgufTokenizer, TextsComeBack) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name : {"llama-spm", "gpt-2", "phi-3"}) {
    SCOPED_TRACE(name);
    const fs::path path = data / "tokenizers" / ("ggml-vocab-" + std::string(name) + ".gguf");
    const auto tokenizer = make_tokenizer(read_gguf_vocabulary(path), path);
    std::mt19937 random(3);
    for (int i = 0; i < 200; ++i) {
      std::string text = i % 2 == 0 ? random_unicode(random, 40) : random_bytes(random, 40);
      if (text.find("▁") != text.npos) continue;  // it comes back as a space
      const Ids ids = tokenizer->encode(text);
      EXPECT_EQ(tokenizer->decode(ids), text);
      StreamDecoder stream(*tokenizer);
      std::string streamed;
      for (TokenId id : ids) streamed += stream.feed(id);
      streamed += stream.finish();
      if (!tokenization::is_valid_utf8(text)) continue;
      EXPECT_EQ(streamed, text);
    }
  }
}

/// Merging as llama.cpp states it: of all neighbours whose text is a token, the pair of the highest score, the leftmost
/// of equals, becomes one.
Ids merged(const GgufVocabulary& vocabulary, const std::string& text) {
  std::map<std::string, TokenId> ids;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) ids[vocabulary.tokens[id]] = static_cast<TokenId>(id);
  std::vector<std::string> symbols;
  for (size_t at = 0; at < text.size(); at += symbols.back().size()) {
    symbols.push_back(text.substr(at, tokenization::code_point_at(text, at).size_bytes));
  }
  while (true) {
    size_t best = symbols.size();
    float best_score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ids.find(symbols[i] + symbols[i + 1]);
      if (found == ids.end()) continue;
      const float score = vocabulary.scores[static_cast<size_t>(found->second)];
      if (best == symbols.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  Ids result;
  for (const std::string& symbol : symbols) {
    if (const auto found = ids.find(symbol); found != ids.end()) {
      result.push_back(found->second);
    } else {
      for (char byte : symbol) result.push_back(3 + static_cast<unsigned char>(byte));
    }
  }
  return result;
}

TEST(GgufTokenizer, PiecesAreMergedByScore) {
  std::mt19937 random(8);
  const std::vector<std::string> characters{"a", "b", "▁", "é", "日", "<", "s", ">"};
  const auto text_of = [&](size_t most) {
    std::string text;
    for (size_t count = 1 + random() % most; count > 0; --count) text += characters[random() % characters.size()];
    return text;
  };
  size_t texts = 0;
  for (int round = 0; round < 40; ++round) {
    GgufVocabulary vocabulary = bytes_only();
    vocabulary.add_space_prefix = false;
    std::map<std::string, bool> known{{"<s>", true}, {"</s>", true}, {"<unk>", true}};
    for (size_t count = 20 + random() % 100; count > 0; --count) {
      const std::string piece = text_of(5);  // characters that are no token by themselves, too
      if (!known.emplace(piece, true).second) continue;
      // Equal scores are frequent; control and unused tokens are pieces as well.
      constexpr std::array<GgufTokenType, 6> kTypes{GgufTokenType::kNormal, GgufTokenType::kNormal,
                                                    GgufTokenType::kNormal, GgufTokenType::kNormal,
                                                    GgufTokenType::kUnused, GgufTokenType::kControl};
      add_token(vocabulary, piece, -static_cast<float>(random() % 12), kTypes[random() % kTypes.size()]);
    }
    const auto tokenizer = make_tokenizer(vocabulary, "t");
    for (int i = 0; i < 100; ++i, ++texts) {
      const std::string text = text_of(30);
      EXPECT_EQ(bare_ids(*tokenizer, text), merged(vocabulary, text)) << text;
    }
  }
  EXPECT_EQ(texts, 4000u);
}

TEST(GgufTokenizer, SpacesBeforeTextAndBehindSpecialTokens) {
  GgufVocabulary vocabulary = bytes_only();
  const TokenId mark = add_token(vocabulary, "▁", -1), a = add_token(vocabulary, "a", -2),
                marked = add_token(vocabulary, "▁a", -3);
  const TokenId user = add_token(vocabulary, "[X]", -4, GgufTokenType::kUserDefined);
  auto tokenizer = make_tokenizer(vocabulary, "t");
  EXPECT_EQ(tokenizer->encode("a a"), (Ids{1, marked, marked}));
  EXPECT_EQ(bare_ids(*tokenizer, " a"), (Ids{mark, marked}));
  EXPECT_EQ(bare_ids(*tokenizer, ""), Ids{});
  EXPECT_EQ(bare_ids(*tokenizer, "a</s>a</s></s> a", true), (Ids{marked, 2, marked, 2, 2, mark, marked}));
  EXPECT_EQ(bare_ids(*tokenizer, "[X]a[X]"), (Ids{user, marked, user}));
  EXPECT_EQ(tokenizer->decode(Ids{1, marked, marked, 2}), "a a");
  EXPECT_EQ(tokenizer->decode(Ids{1, marked, 2}, true), "<s>a</s>");
  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  tokenizer = make_tokenizer(vocabulary, "t");
  EXPECT_EQ(tokenizer->encode("a a"), (Ids{a, marked, 2}));
  EXPECT_EQ(bare_ids(*tokenizer, "[X]a"), (Ids{user, a}));
  EXPECT_EQ(tokenizer->decode(Ids{marked, marked}), " a a");
  EXPECT_FALSE(tokenizer->adds_bos());
}

TEST(GgufTokenizer, SpecialTokensAreSoughtTheLongestFirst) {
  GgufVocabulary vocabulary = bytes_only();
  vocabulary.add_space_prefix = false;
  const TokenId ab = add_token(vocabulary, "ab", -1, GgufTokenType::kUserDefined),
                bcd = add_token(vocabulary, "bcd", -1, GgufTokenType::kUserDefined),
                control = add_token(vocabulary, "abcde", -1, GgufTokenType::kControl);
  const auto tokenizer = make_tokenizer(vocabulary, "t");
  const auto byte = [](char c) { return 3 + c; };
  EXPECT_EQ(bare_ids(*tokenizer, "abcd"), (Ids{byte('a'), bcd})) << "from left to right it would be ab";
  EXPECT_EQ(bare_ids(*tokenizer, "abcde"), (Ids{byte('a'), bcd, byte('e')}));
  EXPECT_EQ(bare_ids(*tokenizer, "abcdeab", true), (Ids{control, ab}));
}

TEST(GgufTokenizer, TextsThatSayMoreThanTypes) {
  GgufVocabulary vocabulary = bytes_only();
  const TokenId end = add_token(vocabulary, "<|im_end|>", 0), shown = add_token(vocabulary, "<|channel|>", 0);
  vocabulary.types[2] = static_cast<int32_t>(GgufTokenType::kUserDefined);  // </s>, as Phi-3's file has it
  const auto tokenizer = make_tokenizer(vocabulary, "t");
  EXPECT_TRUE(tokenizer->is_special(end));
  EXPECT_TRUE(tokenizer->is_special(2));
  EXPECT_GT(bare_ids(*tokenizer, "</s>").size(), 2u);
  EXPECT_EQ(bare_ids(*tokenizer, "<|channel|>"), (Ids{shown}));
  vocabulary.model_name = "Phi3 mini";
  EXPECT_EQ(bare_ids(*make_tokenizer(vocabulary, "t"), "<|im_end|> \n<s> ", true),
            (Ids{end, 1, 3 + 0xe2, 3 + 0x96, 3 + 0x81, 3 + 0xe2, 3 + 0x96, 3 + 0x81}));
}

TEST(GgufTokenizer, DefaultsOfKeysThatAreAbsent) {
  GgufVocabulary pieces = bytes_only();
  pieces.bos = pieces.eos = pieces.unknown = std::nullopt;
  const auto by_pieces = make_tokenizer(pieces, "t");
  EXPECT_EQ(by_pieces->bos(), 1);
  EXPECT_EQ(by_pieces->eos(), 2);
  EXPECT_TRUE(by_pieces->adds_bos());
  GgufVocabulary bpe = byte_level_vocabulary();
  EXPECT_FALSE(make_tokenizer(bpe, "t")->adds_bos());
  EXPECT_EQ(make_tokenizer(bpe, "t")->bos(), 11);
  bpe.pre = "llama-bpe";
  EXPECT_TRUE(make_tokenizer(bpe, "t")->adds_bos());
  bpe.pre = "glm4";
  EXPECT_EQ(make_tokenizer(bpe, "t")->bos(), std::nullopt);
}

TEST(GgufTokenizer, BytesWithoutATokenKeepTheirNeighboursApart) {
  GgufVocabulary vocabulary = byte_level_vocabulary();
  vocabulary.tokens.push_back("ab");
  vocabulary.merges.push_back("a b");
  vocabulary.tokens['\v'] = "gone";
  EXPECT_EQ(bare_ids(*make_tokenizer(vocabulary, "t"), "ab a\vb"), (Ids{256, ' ', 'a', 'b'}));
}

TEST(GgufTokenizer, UnusedAndUnknownTokensAreLeftOut) {
  GgufVocabulary vocabulary = bytes_only();
  const TokenId unused = add_token(vocabulary, "[PAD259]", -1, GgufTokenType::kUnused);
  const auto tokenizer = make_tokenizer(vocabulary, "t");
  EXPECT_EQ(tokenizer->decode(Ids{0, unused, 3 + 'x'}), "x");
  EXPECT_EQ(tokenizer->decode(Ids{0, unused, 3 + 'x'}, true), "<unk>[PAD259]x");
  EXPECT_EQ(tokenizer->token(unused), "[PAD259]");
  EXPECT_EQ(tokenizer->vocab_size(), unused + 1);
}

}  // namespace
}  // namespace prunenet::test
