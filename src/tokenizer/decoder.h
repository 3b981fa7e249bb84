// Decoders: from the texts of tokens to the text that they make.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

/// One rewriting of a list of texts; their concatenation is the result. Safe from several threads.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& texts) const = 0;
};

using Decoders = std::vector<std::unique_ptr<Decoder>>;

/// The steps that `decoder` describes; where it is not present, the one that puts spaces between tokens. Throws
/// kUnsupported for a kind that is not known.
Decoders read_decoder(const JsonNode& node);

/// The text that the tokens' texts make.
std::string joined(const Decoders& steps, std::vector<std::string> texts);

}  // namespace prunenet::tokenization
