// Pre-tokenizers: they cut a normalised text into the words that the model sees one by one, and may rewrite them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {

/// A stretch of text between added tokens, with its words.
struct PreTokens {
  std::string text;
  std::vector<Span> words;  // of `text`, from left to right
  bool at_start = false;    // the first word is the start of the whole text
};

/// One step of the pipeline. Safe from several threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(PreTokens& tokens) const = 0;
};

struct PreTokenization {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  /// The words are bytes still, and the model has to see them in the byte-level alphabet. (A pipeline that ends with
  /// ByteLevel leaves this to the model, which then does it once a distinct word.)
  bool words_are_bytes = false;
};

/// The steps that `pre_tokenizer` describes; none where it is not present. Throws kUnsupported for a kind that is not
/// known.
PreTokenization read_pre_tokenizer(const JsonNode& node);

}  // namespace prunenet::tokenization
