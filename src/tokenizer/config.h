// The side files that say which token begins and ends a text: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json. Each may be missing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

struct TokenizerConfig {
  std::string kind;                     // tokenizer_class, empty where none is named
  std::optional<std::string> bos, eos;  // texts
  std::optional<std::string> unknown, padding, separator;
  std::vector<std::string> special;  // texts of all tokens with a role: these two, and those for unknown, padding, ...
  std::optional<bool> adds_bos, adds_eos;  // where stated
  bool adds_prefix_space = false;          // a byte-level text begins with a space
  bool is_llama_like = false;              // a class of tokenizers that adds BOS where nothing is stated
  std::vector<AddedToken> added;           // of added_tokens_decoder and added_tokens.json, by id
};

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

/// One entry of a list of added tokens; `id` stands in it or is its key.
AddedToken read_added_token(const JsonNode& node, TokenId id);

}  // namespace prunenet::tokenization
