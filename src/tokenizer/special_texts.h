// Tokens of a GGUF vocabulary that are found in a text before anything else is done to it. llama.cpp seeks the longest
// token first, in the whole text, then the next; added tokens of tokenizer.json are sought from left to right instead.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/gguf_tokens.h"

namespace prunenet::tokenization {

class SpecialTexts {
 public:
  explicit SpecialTexts(const GgufTokens& tokens);

  /// The sections of a text, none for the empty one. Control tokens are text unless `parse_special`. Cost: a step a
  /// byte, and a search for each token that occurs.
  std::vector<Section> cut(std::string_view text, bool parse_special) const;

 private:
  struct Token {
    std::string text;
    TokenId id = 0;
    bool is_control = false, takes_spaces = false;
  };

  std::vector<size_t> occurring(std::string_view text, bool parse_special) const;

  std::vector<Token> tokens_;                      // longest first
  std::array<std::vector<size_t>, 256> by_first_;  // indices, by the first byte
};

}  // namespace prunenet::tokenization
