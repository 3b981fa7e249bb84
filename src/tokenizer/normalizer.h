// Normalizers: they rewrite a text before it is cut.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

/// One rewriting of a text that is valid but for escapes. Safe from several threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(std::string& text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

/// The steps that `normalizer` describes; none where it is not present. Throws kUnsupported for a kind that is not
/// known.
Normalizers read_normalizer(const JsonNode& node);

/// Applies all steps in turn. Throws kFormat where they make the text many times as long.
void normalise(const Normalizers& steps, std::string& text);

}  // namespace prunenet::tokenization
