// A grammar that tells small stories: the text on which the demo model learns. Its sentences keep to rules that can be
// learned and checked (number, gender, tense, counting, names and things that come back), and the probability of every
// story is known, so that the loss of a model can be held against the least that is possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace prunenet::story {

/// Where the grammar's choices come from.
class Choices {
 public:
  virtual ~Choices() = default;
  /// One of 0 .. count - 1. `so_far` is the text up to here.
  virtual int64_t pick(int64_t count, const std::string& so_far) = 0;
};

/// Why a word can be nothing else, given the text before it.
enum class Rule {
  kAgreement,  // the form of a verb: number of its subject and tense of the story
  kPronoun,    // she, he, it, they and what belongs to them
  kCount,      // the result of adding, taking away or multiplying
  kRecall,     // a name, colour, thing or place that was told before
  kFact,       // what belongs together in every story: a hen eats corn
};
inline constexpr int kRules = 5;
const char* rule_name(Rule rule);

/// A word of a story that its rule decides: bytes [begin, end) of the text, without the space before it.
struct RuledWord {
  Rule rule;
  size_t begin = 0, end = 0;
};

struct Story {
  std::string text;                    // one paragraph, no newline at its end
  std::vector<RuledWord> ruled_words;  // in the order of the text
  bool another_follows = false;        // whether its document goes on with another story, after a newline
  double nats = 0;                     // minus the logarithm of its probability, `another_follows` included
};

/// Tells one story. A text has one derivation only, so `nats` is exact and its mean is the entropy of the grammar.
Story tell_story(Choices& choices);

/// Story number `index` of a seed: the same on every machine.
Story random_story(uint64_t seed, uint32_t index);

}  // namespace prunenet::story
