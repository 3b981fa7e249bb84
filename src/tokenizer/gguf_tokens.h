// A GGUF vocabulary after the checks, with what llama.cpp makes of it when it loads one: defaults for keys that are
// absent, and tokens whose texts say more of them than their types.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/template.h"
#include "tokenizer/word_rules.h"

namespace prunenet::tokenization {

struct GgufTokens {
  std::vector<std::string> texts;    // valid UTF-8, all different; an empty one is named [EMPTY_id]
  std::vector<GgufTokenType> types;  // of each; what has no type is kUnused
  std::vector<bool> takes_spaces;    // of each: those behind it, where it is found in a text
  std::vector<float> scores;         // of pieces
  const WordRule* words = nullptr;   // of BPE; none: these are pieces
  std::optional<TokenId> bos, eos, unknown;
  Template around;          // BOS and EOS, where they are added
  bool adds_space = false;  // pieces: one before a text and behind a special token

  bool is_pieces() const { return words == nullptr; }
  GgufTokenType type(TokenId id) const { return types[static_cast<size_t>(id)]; }
  const std::string& text(TokenId id) const { return texts[static_cast<size_t>(id)]; }
  TokenId size() const { return static_cast<TokenId>(texts.size()); }
};

/// Throws what make_tokenizer throws for a vocabulary that is none, merges aside.
GgufTokens read_gguf_tokens(const GgufVocabulary& vocabulary, const std::string& where);

/// The byte that a token of type kByte stands for ("<0x0A>"); nothing for another text.
std::optional<char> byte_of_token(std::string_view text);
/// "<0x0A>".
std::string byte_token(unsigned char byte);

/// Whether a decoded text leaves the token out.
bool is_left_out(GgufTokenType type);

}  // namespace prunenet::tokenization
