// The vocabulary between GGUF metadata and the tokenizer.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "tokenizer/gguf_vocabulary.h"

namespace prunenet {

/// The metadata holds a vocabulary: a list of tokens of a model other than "none".
bool has_vocabulary(const GgufMetadata& metadata, const std::string& where);

/// The vocabulary in `tokenizer.ggml.*`. Throws kNotFound (there is none), kFormat (of another kind, or contradicting
/// itself).
GgufVocabulary vocabulary_of(const GgufMetadata& metadata, const std::string& where);

/// Writes it there.
void put_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata);

/// The tokenizer of a checkpoint: of the files of its folder, or of the metadata of its GGUF file.
bool has_tokenizer(const Checkpoint& checkpoint);
std::unique_ptr<Tokenizer> open_tokenizer(const Checkpoint& checkpoint);
/// Likewise of a path, which may hold nothing but a tokenizer (a vocabulary-only GGUF file).
std::unique_ptr<Tokenizer> open_any_tokenizer(const std::filesystem::path& path);

}  // namespace prunenet
