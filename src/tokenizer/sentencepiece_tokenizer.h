// The tokenizer of a tokenizer.model: the sentencepiece library (Kudo and Richardson 2018), with BOS, EOS and added
// tokens around it.
#pragma once

#include <filesystem>
#include <memory>

#include "tokenizer/config.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::tokenization {

/// Throws as open_tokenizer does. Texts between added tokens are encoded each by itself, with the model's leading space
/// (what transformers calls legacy). Bytes that are no UTF-8 come back as U+FFFD: the library replaces them.
std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& path, const TokenizerConfig& config);

}  // namespace prunenet::tokenization
