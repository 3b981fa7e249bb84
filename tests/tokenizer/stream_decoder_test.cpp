// StreamDecoder: the same text as decoding at once, in pieces that are whole characters.
#include "tokenizer/stream_decoder.h"

#include "tokenizer/folders.h"
#include "tokenizer/random_text.h"
#include "tokenizer/unicode.h"

namespace prunenet::test {
namespace {

std::string streamed(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool keep_special = false) {
  StreamDecoder decoder(tokenizer, keep_special);
  std::string text;
  for (TokenId id : ids) {
    const std::string part = decoder.feed(id);
    EXPECT_TRUE(tokenization::is_valid_utf8(part));
    text += part;
  }
  return text + decoder.finish();
}

TEST(StreamDecoder, EqualsDecodingAtOnce) {
  const auto bytes = open_json(byte_level_tokenizer({{"a", "b"}, {"Ã", "©"}, {"æ", "Ī"}}));
  const auto pieces = open_json(spm_tokenizer({"▁", "a", "b", "▁a", "▁▁", "é"}));
  std::mt19937 random(8);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_unicode(random, 30);
    EXPECT_EQ(streamed(*bytes, bytes->encode(text)), text);
    EXPECT_EQ(streamed(*pieces, pieces->encode(text)), text);
    std::vector<TokenId> ids(random() % 20);  // any pieces, special ones between them
    for (TokenId& id : ids) id = std::vector<TokenId>{1, 2, 259, 260, 261, 262, 263}[random() % 7];
    EXPECT_EQ(streamed(*pieces, ids), pieces->decode(ids));
    EXPECT_EQ(streamed(*pieces, ids, true), pieces->decode(ids, true));
  }
}

TEST(StreamDecoder, WaitsForTheRestOfACharacter) {
  const auto tokenizer = open_json(byte_level_tokenizer());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.feed(0xf0), "");
  EXPECT_EQ(decoder.feed(0x9f), "");
  EXPECT_EQ(decoder.feed(0xa6), "");
  EXPECT_EQ(decoder.feed(0x99), "🦙");
  EXPECT_EQ(decoder.feed(0xe6), "");
  EXPECT_EQ(decoder.feed('x'), "\ufffdx") << "it did not come";
  EXPECT_EQ(decoder.feed(0xff), "\ufffd");
  EXPECT_EQ(decoder.feed(0xc3), "");
  EXPECT_EQ(decoder.finish(), "\ufffd");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, ALeadingSpaceIsDroppedAtTheStartOnly) {
  const auto tokenizer = open_json(spm_tokenizer({"▁", "a", "▁a"}));
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.feed(1), "");
  EXPECT_EQ(decoder.feed(261), "a");
  EXPECT_EQ(decoder.feed(261), " a");
  EXPECT_EQ(decoder.feed(259), " ");
  EXPECT_EQ(decoder.feed(2), "");
  EXPECT_EQ(decoder.feed(261), " a");
  decoder.finish();
  EXPECT_EQ(decoder.feed(261), "a") << "a new text";
}

TEST(StreamDecoder, RefusesWhatDecodeRefuses) {
  const auto tokenizer = open_json(byte_level_tokenizer());
  StreamDecoder decoder(*tokenizer);
  expect_error(ErrorCode::kBadOption, {"256"}, [&] { decoder.feed(256); });
}

}  // namespace
}  // namespace prunenet::test
