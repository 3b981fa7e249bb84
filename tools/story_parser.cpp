// A search through the choices: the grammar is run with the choices made so far, and where it asks for the next one
// each answer is tried that still tells the text.
#include "story_parser.h"

#include <cmath>

namespace prunenet::story {
namespace {

struct NextChoice {
  int64_t count;
};
struct AnotherText {};

class ScriptedChoices final : public Choices {
 public:
  ScriptedChoices(const std::vector<int64_t>& script, const std::string& text) : script_(script), text_(text) {}

  int64_t pick(int64_t count, const std::string& so_far) override {
    if (text_.compare(0, so_far.size(), so_far) != 0) throw AnotherText();
    if (used_ == script_.size()) throw NextChoice{count};
    nats_ += std::log(static_cast<double>(count));
    return script_[used_++];
  }
  double nats() const { return nats_; }

 private:
  const std::vector<int64_t>& script_;
  const std::string& text_;
  size_t used_ = 0;
  double nats_ = 0;
};

void search(std::vector<int64_t>& script, const std::string& text, std::vector<Derivation>& found) {
  ScriptedChoices choices(script, text);
  int64_t count = 0;
  try {
    const Story story = tell_story(choices);
    if (story.text == text && !story.another_follows) found.push_back({script, choices.nats()});
    return;
  } catch (const AnotherText&) {
    return;
  } catch (const NextChoice& next) {
    count = next.count;
  }
  for (int64_t pick = 0; pick < count; ++pick) {
    script.push_back(pick);
    search(script, text, found);
    script.pop_back();
  }
}

}  // namespace

std::vector<Derivation> derivations(const std::string& text) {
  std::vector<int64_t> script;
  std::vector<Derivation> found;
  search(script, text, found);
  return found;
}

}  // namespace prunenet::story
