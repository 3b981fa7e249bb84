// Fuzz target: a tokenizer.json, a zero byte, and a text. Either the file is refused with an error of the format, or
// the text becomes ids of the vocabulary and these a text again.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"

namespace {

using namespace prunenet;

void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

bool is_of_the_format(const Error& error) {
  return error.code() == ErrorCode::kFormat || error.code() == ErrorCode::kUnsupported ||
         error.code() == ErrorCode::kMismatch;
}

void check_text(const Tokenizer& tokenizer, const std::string& text) {
  for (const bool parse_special : {false, true}) {
    const auto ids = tokenizer.encode(text, {.add_special = true, .parse_special = parse_special});
    for (TokenId id : ids) {
      require(id >= 0 && id < tokenizer.vocab_size(), "ids are of the vocabulary");
      require(tokenizer.decode(std::span(&id, 1)).size() < (1 << 24), "a token's text is short");
    }
    require(ids == tokenizer.encode(text, {.add_special = true, .parse_special = parse_special}),
            "the same text, the same ids");
    tokenizer.decode(ids, true);
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (size_t i = 0; i < ids.size() && i < 64; ++i) streamed += stream.feed(ids[i]);
    streamed += stream.finish();
    require(tokenization::is_valid_utf8(streamed), "a stream is UTF-8");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string text = zero == input.npos ? "A te\xff xt" : input.substr(zero + 1);
  try {
    tokenization::TokenizerConfig config;
    config.bos = "<s>";
    const auto tokenizer = tokenization::make_json_tokenizer(
        tokenization::JsonNode::parse(input.substr(0, zero), "tokenizer.json"), config);
    check_text(*tokenizer, text);
  } catch (const Error& error) {
    require(is_of_the_format(error), "errors of the format only");
  }
  return 0;
}
