// Cutting a text at what a pattern finds: what becomes of the found parts is the `behavior` of tokenizer files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/unicode.h"

namespace prunenet::tokenization {

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// The behavior of that name ("Isolated"). Throws kUnsupported.
Behavior behavior_of(const std::string& name, const std::string& where);

/// A part of a text, found by the pattern or lying between what it found.
struct Part {
  Span span;
  bool is_match = false;
};

/// The parts of a text of `size` bytes with these matches (sorted, no overlap). `invert`: what lies between counts as
/// match.
void parts_of(const std::vector<Span>& matches, size_t size, bool invert, std::vector<Part>& parts);

/// What is left of the parts, empty ones left out, each moved by `offset`; appended to `pieces`.
void append_pieces(const std::vector<Part>& parts, Behavior behavior, size_t offset, std::vector<Span>& pieces);

}  // namespace prunenet::tokenization
