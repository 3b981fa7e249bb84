// The proof that a GGUF vocabulary is the tokenizer of its folder: texts are tried out on both. What llama.cpp is known
// to do otherwise becomes a note, and any other difference a refusal.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/gguf_vocabulary.h"

namespace prunenet::tokenization {

struct Proof {
  bool words_may_differ = false;  // llama.cpp cuts words by another rule than tokenizer.json: noted
  bool spaces_may_differ =
      false;                 // tokenizer.json and tokenizer.model of one model may differ in runs of spaces: noted
  bool every_token = false;  // try the text of every token, too
};

/// Adds notes to `vocabulary`; throws kUnsupported, with an example, for a difference that none of them explains. Both
/// tokenizers see the same texts, without BOS and EOS around.
void prove_same_tokenizer(const Tokenizer& own, GgufVocabulary& vocabulary, const Proof& proof,
                          const std::string& where);

/// Notes which of the folder's added tokens take spaces along where llama.cpp leaves them, or the other way round.
void note_spaces_around(const std::vector<AddedToken>& added, GgufVocabulary& vocabulary, const std::string& where);

}  // namespace prunenet::tokenization
