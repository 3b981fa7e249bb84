// The tokenizer of a tokenizer.json: what the other files of this room read, put in a row.
#pragma once

#include <memory>
#include <string>

#include "tokenizer/config.h"
#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::tokenization {

/// `root` is the whole of tokenizer.json. Throws as open_tokenizer does.
std::unique_ptr<Tokenizer> make_json_tokenizer(const JsonNode& root, const TokenizerConfig& config);

}  // namespace prunenet::tokenization
