// Parts of a tokenizer.json that say what a GGUF vocabulary says.
#pragma once

#include "tokenizer/gguf_tokens.h"
#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

/// `pre_tokenizer`: the expressions of a rule, then the byte-level alphabet.
JsonNode::Json pre_tokenizer_json(const WordRule& rule);

/// `model` of byte-level BPE.
JsonNode::Json bpe_model_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens);

}  // namespace prunenet::tokenization
