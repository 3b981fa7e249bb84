// How byte-level BPE cuts a text into words, by the names that GGUF files carry (`tokenizer.ggml.pre`). The names, the
// expressions and what goes with them are those of llama.cpp; where its own matcher departs from the expression of the
// model's tokenizer.json (letter cases, categories of letters), the expression here is the one that gives its words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prunenet::tokenization {

struct WordRule {
  /// Each cuts what the one before left, into matches and what lies between them.
  std::vector<std::string> expressions;
  bool ignores_merges = false;  // a word that is a token is that token
  bool adds_bos = false;        // where the file does not say
};

/// The rule of a name; none for a name that is not known. "" is "default", as for llama.cpp.
const WordRule* find_word_rule(std::string_view name);
/// "default, llama-bpe, ...": for people.
std::string known_word_rules();

struct FoundWordRule {
  std::string_view name;  // empty: none has these expressions
  bool departs = false;   // llama.cpp's own rule of this name is another: some texts are cut otherwise
};

/// The rule with exactly these expressions, as llama.cpp has them or as a published tokenizer.json does. Line ends and
/// characters beyond ASCII may be written out or escaped.
FoundWordRule word_rule_of(const std::vector<std::string>& expressions, bool ignores_merges);

}  // namespace prunenet::tokenization
