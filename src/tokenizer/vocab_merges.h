// The older pair of files of GPT-2 and OPT: vocab.json and merges.txt, which say the same as a tokenizer.json.
#pragma once

#include <filesystem>

#include "tokenizer/config.h"
#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

/// Whether the folder holds both files.
bool has_vocab_and_merges(const std::filesystem::path& folder);

/// The tokenizer.json that they stand for. Throws kUnsupported where tokenizer_config.json names a class of tokenizers
/// that cuts words in another way, kFormat for damaged files.
JsonNode read_vocab_and_merges(const std::filesystem::path& folder, const TokenizerConfig& config);

}  // namespace prunenet::tokenization
