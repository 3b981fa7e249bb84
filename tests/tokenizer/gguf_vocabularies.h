// Small GGUF vocabularies made on the spot.
#pragma once

#include <string>

#include "tokenizer/gguf_vocabulary.h"

namespace prunenet::test {

/// Pieces: <unk>, <s>, </s> and the 256 byte tokens, the byte b at 3 + b.
GgufVocabulary bytes_only();

/// Appends a token; returns its id.
TokenId add_token(GgufVocabulary& vocabulary, const std::string& text, float score,
                  GgufTokenType type = GgufTokenType::kNormal);

/// Byte-level BPE without merges, the byte b at b; GPT-2's words.
GgufVocabulary byte_level_vocabulary();

}  // namespace prunenet::test
