// tokenizer.model: the ids of the sentencepiece library itself, on models that are trained here.
#include <sentencepiece_processor.h>

#include "tokenizer/folders.h"
#include "tokenizer/random_text.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/trained_pieces.h"

namespace prunenet::test {
namespace {

using Ids = std::vector<TokenId>;

TEST(SentencePiece, IdsAreThoseOfTheLibrary) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(llama_like_model()).ok());
  TokenizerFolder folder;
  const auto tokenizer = folder.write("tokenizer.model", llama_like_model()).open();
  EXPECT_TRUE(has_tokenizer(folder.path()));
  EXPECT_EQ(tokenizer->vocab_size(), library.GetPieceSize());
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->adds_bos());
  std::mt19937 random(9);
  for (int i = 0; i < 300; ++i) {
    const std::string text = i < 125 ? sentences()[static_cast<size_t>(i)] : random_unicode(random, 30);
    Ids expected = library.EncodeAsIds(text);
    EXPECT_EQ(bare_ids(*tokenizer, text), expected);
    expected.insert(expected.begin(), 1);
    EXPECT_EQ(tokenizer->encode(text), expected);
  }
}

TEST(SentencePiece, TextsComeBack) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(llama_like_model()).ok());
  TokenizerFolder folder;
  const auto tokenizer = folder.write("tokenizer.model", llama_like_model()).open();
  std::mt19937 random(10);
  for (int i = 0; i < 300; ++i) {
    const std::string text = i < 125 ? sentences()[static_cast<size_t>(i)] : random_unicode(random, 30);
    const Ids ids = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(ids), text);
    EXPECT_EQ(library.DecodeIds(ids), text) << "and by the library";
    StreamDecoder stream(*tokenizer);
    std::string streamed;
    for (TokenId id : ids) streamed += stream.feed(id);
    EXPECT_EQ(streamed + stream.finish(), text);
  }
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xff"
                                                "b")),
            "a\ufffd"
            "b")
      << "the library's way with what is no UTF-8";
  EXPECT_EQ(tokenizer->decode(Ids{3 + 1 + 0xff}), "\xff");
}

TEST(SentencePiece, SpecialTokensAndSideFiles) {
  TokenizerFolder folder;
  folder.write("tokenizer.model", llama_like_model());
  auto tokenizer = folder.open();
  const TokenId size = static_cast<TokenId>(tokenizer->vocab_size());
  const Ids text = bare_ids(*tokenizer, "</s>");
  EXPECT_GT(text.size(), 1u);
  EXPECT_EQ(bare_ids(*tokenizer, "</s>", true), (Ids{2}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 2}), "");
  EXPECT_EQ(tokenizer->decode(Ids{1, 2}, true), "<s></s>");
  EXPECT_EQ(tokenizer->token(1), "<s>");
  EXPECT_TRUE(tokenizer->is_special(2));
  EXPECT_FALSE(tokenizer->is_special(3));
  expect_error(ErrorCode::kBadOption, {std::to_string(size)}, [&] { (void)tokenizer->decode(Ids{size}); });
  expect_error(ErrorCode::kBadOption, {"-1"}, [&] { (void)tokenizer->token(-1); });

  folder.write("added_tokens.json", Json{{"<pad>", size}}.dump());
  folder.write("tokenizer_config.json",
               R"({"bos_token": "<s>", "eos_token": {"content": "<pad>"}, "add_bos_token": false})");
  tokenizer = folder.open();
  EXPECT_FALSE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->eos(), size);
  EXPECT_EQ(tokenizer->vocab_size(), size + 1);
  const Ids ids = tokenizer->encode("The cat<pad>");
  EXPECT_EQ(ids.back(), size);
  EXPECT_EQ(tokenizer->decode(ids), "The cat<pad>");
}

TEST(SentencePiece, ATokenizerJsonIsPreferred) {
  TokenizerFolder folder(byte_level_tokenizer());
  folder.write("tokenizer.model", llama_like_model());
  EXPECT_EQ(folder.open()->vocab_size(), 256);
}

TEST(SentencePiece, RefusesWhatIsNoModel) {
  const std::string& model = llama_like_model();
  for (const std::string& bytes :
       {std::string(), std::string("no model"), model.substr(0, model.size() / 3), std::string(1000, '\xff')}) {
    TokenizerFolder folder;
    folder.write("tokenizer.model", bytes);
    expect_error(ErrorCode::kFormat, {"tokenizer.model"}, [&] { folder.open(); });
  }
}

}  // namespace
}  // namespace prunenet::test
