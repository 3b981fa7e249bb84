// Training by the sentencepiece library.
#include "tokenizer/trained_pieces.h"

#include <sentencepiece_trainer.h>

#include <stdexcept>

namespace prunenet::test {
namespace {

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t at_ = 0;
};

}  // namespace

std::vector<std::string> sentences() {
  std::vector<std::string> lines;
  for (const char* who : {"The cat", "A small dog", "Lily", "Her old friend", "Das Kätzchen"}) {
    for (const char* what : {"sees", "likes", "eats", "carries", "mag"}) {
      for (const char* whom : {"the red ball.", "a big tree!", "12 apples.", "nothing at all.", "den Ball."}) {
        lines.push_back(std::string(who) + " " + what + " " + whom);
      }
    }
  }
  return lines;
}

std::string trained_model(const std::string& options) {
  std::string serialized;
  const std::vector<std::string> lines = sentences();
  Lines iterator(lines);
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--vocab_size=400 --hard_vocab_limit=false --minloglevel=2 " + options, &iterator, &serialized);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  return serialized;
}

const std::string& llama_like_model() {
  static const std::string model = trained_model(
      "--model_type=bpe --byte_fallback=true --normalization_rule_name=identity --split_digits=true "
      "--remove_extra_whitespaces=false --character_coverage=0.99 --user_defined_symbols=[X]");
  return model;
}

}  // namespace prunenet::test
