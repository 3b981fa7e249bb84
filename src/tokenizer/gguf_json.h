// Parts of a tokenizer.json that say what a GGUF vocabulary says.
#pragma once

#include "tokenizer/gguf_tokens.h"
#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

/// `pre_tokenizer`: the expressions of a rule, then the byte-level alphabet.
JsonNode::Json pre_tokenizer_json(const WordRule& rule);

/// `model` of byte-level BPE.
JsonNode::Json bpe_model_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens);

/// `model` of pieces: BPE with all ways to make a piece of two for merges, those of the highest score first, and byte
/// fallback, as the converter of transformers makes it.
JsonNode::Json piece_model_json(const GgufTokens& tokens);

/// Whether the token only fills a row of the embedding ("[PAD7]").
bool is_filler(const GgufTokens& tokens, TokenId id);

/// The whole tokenizer.json.
JsonNode::Json tokenizer_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens);
/// The whole tokenizer_config.json.
JsonNode::Json tokenizer_config_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens);

}  // namespace prunenet::tokenization
