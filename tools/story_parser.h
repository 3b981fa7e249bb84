// The way back: whether a text is a story of the grammar, and by which choices it came about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "story_grammar.h"

namespace prunenet::story {

/// One way in which the grammar tells a text.
struct Derivation {
  std::vector<int64_t> picks;
  double nats = 0;  // as Story says
};

/// Every derivation of a text, those with another story behind it left out. One for a story, none for any other text.
/// Cost: the grammar is run about a thousand times, up to where it tells another text: some 5 ms.
std::vector<Derivation> derivations(const std::string& text);

}  // namespace prunenet::story
