// Small GGUF vocabularies.
#include "tokenizer/gguf_vocabularies.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/unicode.h"

namespace prunenet::test {

TokenId add_token(GgufVocabulary& vocabulary, const std::string& text, float score, GgufTokenType type) {
  vocabulary.tokens.push_back(text);
  vocabulary.scores.push_back(score);
  vocabulary.types.push_back(static_cast<int32_t>(type));
  return static_cast<TokenId>(vocabulary.tokens.size() - 1);
}

GgufVocabulary bytes_only() {
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  vocabulary.unknown = add_token(vocabulary, "<unk>", 0, GgufTokenType::kUnknown);
  vocabulary.bos = add_token(vocabulary, "<s>", 0, GgufTokenType::kControl);
  vocabulary.eos = add_token(vocabulary, "</s>", 0, GgufTokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    add_token(vocabulary, tokenization::byte_token(static_cast<unsigned char>(byte)), 0, GgufTokenType::kByte);
  }
  return vocabulary;
}

GgufVocabulary byte_level_vocabulary() {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.tokens.emplace_back();
    tokenization::append_code_point(vocabulary.tokens.back(),
                                    tokenization::byte_level_character(static_cast<unsigned char>(byte)));
  }
  return vocabulary;
}

}  // namespace prunenet::test
