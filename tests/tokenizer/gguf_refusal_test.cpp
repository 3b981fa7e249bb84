// GGUF vocabularies that are none, or that this program does not know.
#include <cmath>
#include <functional>

#include "support/support.h"
#include "tokenizer/gguf_vocabularies.h"
#include "tokenizer/random_text.h"

namespace prunenet::test {
namespace {

void expect_refused(GgufVocabulary vocabulary, ErrorCode code, const std::vector<std::string>& words,
                    const std::function<void(GgufVocabulary&)>& change) {
  change(vocabulary);
  std::vector<std::string> all = words;
  all.emplace_back("model.gguf");
  expect_error(code, all, [&] { (void)make_tokenizer(vocabulary, "model.gguf"); });
  expect_error(code, all, [&] { (void)tokenizer_files(vocabulary, "model.gguf"); });
}

TEST(GgufRefusal, ModelsAndRules) {
  const auto model = [](const char* name) { return [name](GgufVocabulary& v) { v.model = name; }; };
  for (const char* name : {"bert", "t5", "rwkv", "gemma4", ""}) {
    expect_refused(bytes_only(), ErrorCode::kUnsupported, {"'" + std::string(name) + "'", "llama", "gpt2"},
                   model(name));
  }
  expect_refused(byte_level_vocabulary(), ErrorCode::kUnsupported, {"'kimi-k2'", "llama-bpe", "qwen2"},
                 [](GgufVocabulary& v) { v.pre = "kimi-k2"; });
}

TEST(GgufRefusal, Lists) {
  const GgufVocabulary pieces = bytes_only(), bpe = byte_level_vocabulary();
  expect_refused(pieces, ErrorCode::kFormat, {"no vocabulary"}, [](GgufVocabulary& v) {
    v.tokens.clear();
    v.types.clear();
    v.scores.clear();
  });
  expect_refused(pieces, ErrorCode::kFormat, {"258 scores", "259 tokens"},
                 [](GgufVocabulary& v) { v.scores.pop_back(); });
  expect_refused(pieces, ErrorCode::kFormat, {"0 scores"}, [](GgufVocabulary& v) { v.scores.clear(); });
  expect_refused(pieces, ErrorCode::kFormat, {"260 types"}, [](GgufVocabulary& v) { v.types.push_back(1); });
  expect_refused(bpe, ErrorCode::kFormat, {"1 scores"}, [](GgufVocabulary& v) { v.scores = {1}; });
}

TEST(GgufRefusal, Tokens) {
  const GgufVocabulary pieces = bytes_only();
  expect_refused(pieces, ErrorCode::kFormat, {"tokens 1 and 5", "'<s>'"},
                 [](GgufVocabulary& v) { v.tokens[5] = "<s>"; });
  expect_refused(pieces, ErrorCode::kFormat, {"token 7", "UTF-8"}, [](GgufVocabulary& v) { v.tokens[7] = "\xff"; });
  expect_refused(pieces, ErrorCode::kFormat, {"token 7", "byte", "'x'"}, [](GgufVocabulary& v) { v.tokens[7] = "x"; });
  expect_refused(pieces, ErrorCode::kFormat, {"token 0", "2000 bytes"},
                 [](GgufVocabulary& v) { v.tokens[0].assign(2000, 'x'); });
  expect_refused(pieces, ErrorCode::kFormat, {"token 3", "type 7"}, [](GgufVocabulary& v) { v.types[3] = 7; });
  expect_refused(pieces, ErrorCode::kFormat, {"token 3", "type -1"}, [](GgufVocabulary& v) { v.types[3] = -1; });
  expect_refused(pieces, ErrorCode::kFormat, {"score of token 4"},
                 [](GgufVocabulary& v) { v.scores[4] = std::nanf(""); });
}

TEST(GgufRefusal, IdsAndMerges) {
  const GgufVocabulary pieces = bytes_only(), bpe = byte_level_vocabulary();
  expect_refused(pieces, ErrorCode::kFormat, {"BOS", "259", "259 tokens"}, [](GgufVocabulary& v) { v.bos = 259; });
  expect_refused(pieces, ErrorCode::kFormat, {"EOS", "-1"}, [](GgufVocabulary& v) { v.eos = -1; });
  expect_refused(pieces, ErrorCode::kFormat, {"padding", "5000"}, [](GgufVocabulary& v) { v.padding = 5000; });
  expect_refused(bpe, ErrorCode::kFormat, {"'zz'"}, [](GgufVocabulary& v) { v.merges = {"a zz"}; });
  expect_refused(bpe, ErrorCode::kFormat, {"'ab'", "not in the vocabulary"},
                 [](GgufVocabulary& v) { v.merges = {"a b"}; });
  expect_refused(bpe, ErrorCode::kFormat, {"'ab'", "space"}, [](GgufVocabulary& v) { v.merges = {"ab"}; });
  expect_refused(bpe, ErrorCode::kMismatch, {"BOS is to be added"}, [](GgufVocabulary& v) {
    v.pre = "glm4";
    v.add_bos = true;
  });
}

TEST(GgufRefusal, IdsOutsideTheVocabulary) {
  const auto tokenizer = make_tokenizer(bytes_only(), "model.gguf");
  for (TokenId id : {-1, 259, 2'147'483'647}) {
    const std::vector<TokenId> ids{3, id};
    expect_error(ErrorCode::kBadOption, {std::to_string(id), "259 tokens"}, [&] { (void)tokenizer->decode(ids); });
    expect_error(ErrorCode::kBadOption, {std::to_string(id)}, [&] { (void)tokenizer->token(id); });
    EXPECT_FALSE(tokenizer->is_special(id));
  }
}

TEST(GgufRefusal, ATemplateThatIsNoText) {
  GgufVocabulary vocabulary = bytes_only();
  vocabulary.chat_template = "\xff";
  expect_error(ErrorCode::kFormat, {"model.gguf", "chat template"},
               [&] { (void)tokenizer_files(vocabulary, "model.gguf"); });
}

TEST(GgufRefusal, DamagedVocabulariesAreRefusedOrWork) {
  std::mt19937 random(21);
  size_t refused = 0, working = 0;
  for (int i = 0; i < 400; ++i) {
    GgufVocabulary vocabulary = i % 2 == 0 ? bytes_only() : byte_level_vocabulary();
    const auto any = [&] { return random() % vocabulary.tokens.size(); };
    for (size_t count = 1 + random() % 3; count > 0; --count) {
      switch (random() % 6) {
        case 0:
          vocabulary.tokens[any()] = random_bytes(random, 5);
          break;
        case 1:
          vocabulary.tokens[any()] = random_unicode(random, 8);
          break;
        case 2:
          vocabulary.types.resize(vocabulary.tokens.size(), 1);
          vocabulary.types[any()] = static_cast<int32_t>(random() % 8);
          break;
        case 3:
          vocabulary.merges.push_back(vocabulary.tokens[any()] + " " + vocabulary.tokens[any()]);
          break;
        case 4:
          vocabulary.eos = static_cast<TokenId>(random() % 300);
          break;
        default:
          vocabulary.scores.resize(vocabulary.tokens.size());
          vocabulary.scores[any()] = static_cast<float>(random() % 7);
      }
    }
    try {
      const auto tokenizer = make_tokenizer(vocabulary, "model.gguf");
      for (int k = 0; k < 5; ++k) {
        const auto ids = tokenizer->encode(random_words(random) + random_bytes(random, 9), {.parse_special = k == 0});
        for (TokenId id : ids) EXPECT_LT(id, tokenizer->vocab_size());
        (void)tokenizer->decode(ids, true);
      }
      EXPECT_FALSE(tokenizer_files(vocabulary, "model.gguf").empty());
      ++working;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 50u);
  EXPECT_GT(working, 50u);
}

}  // namespace
}  // namespace prunenet::test
