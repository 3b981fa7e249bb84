// Cutting: after `NormalizedString::split` of the tokenizers library.
#include "tokenizer/split.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

// Whether a part joins the one before it in the order of the walk, given whether that one was a match.
bool joins(Behavior behavior, bool is_match, bool previous_match) {
  if (behavior == Behavior::kContiguous) return is_match == previous_match;
  return is_match && !previous_match;
}

template <typename Iterator>
std::vector<Span> joined(Iterator first, Iterator last, Behavior behavior) {
  std::vector<Span> spans;
  bool previous_match = false;
  for (; first != last; ++first) {
    if (joins(behavior, first->is_match, previous_match) && !spans.empty()) {
      spans.back() = {std::min(spans.back().begin, first->span.begin), std::max(spans.back().end, first->span.end)};
    } else {
      spans.push_back(first->span);
    }
    previous_match = first->is_match;
  }
  return spans;
}

}  // namespace

Behavior behavior_of(const std::string& name, const std::string& where) {
  constexpr std::array<std::pair<std::string_view, Behavior>, 5> kNames{
      {{"Removed", Behavior::kRemoved},
       {"Isolated", Behavior::kIsolated},
       {"MergedWithPrevious", Behavior::kMergedWithPrevious},
       {"MergedWithNext", Behavior::kMergedWithNext},
       {"Contiguous", Behavior::kContiguous}}};
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  fail(ErrorCode::kUnsupported, where, "behavior '{}' is not known", name);
}

void parts_of(const std::vector<Span>& matches, size_t size, bool invert, std::vector<Part>& parts) {
  parts.clear();
  size_t end = 0;
  for (const Span& match : matches) {
    if (match.begin > end) parts.push_back({{end, match.begin}, invert});
    parts.push_back({match, !invert});
    end = match.end;
  }
  if (end < size) parts.push_back({{end, size}, invert});
}

void append_pieces(const std::vector<Part>& parts, Behavior behavior, size_t offset, std::vector<Span>& pieces) {
  const auto append = [&](const Span& span) {
    if (!span.empty()) pieces.push_back({span.begin + offset, span.end + offset});
  };
  switch (behavior) {
    case Behavior::kIsolated:
    case Behavior::kRemoved:
      for (const Part& part : parts) {
        if (behavior == Behavior::kIsolated || !part.is_match) append(part.span);
      }
      return;
    case Behavior::kContiguous:
    case Behavior::kMergedWithPrevious:
      for (const Span& span : joined(parts.begin(), parts.end(), behavior)) append(span);
      return;
    case Behavior::kMergedWithNext: {
      std::vector<Span> spans = joined(parts.rbegin(), parts.rend(), behavior);
      std::reverse(spans.begin(), spans.end());
      for (const Span& span : spans) append(span);
    }
  }
}

}  // namespace prunenet::tokenization
