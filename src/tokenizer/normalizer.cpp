// The kinds of normalizers, each after its namesake of the tokenizers library.
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 32;
constexpr size_t kMaxAddedBytes = 256;  // that a step may put before a text

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::string& text) const override { pattern_.replace_all(text, content_); }

 private:
  Regex pattern_;
  std::string content_;
};

class Form final : public Normalizer {
 public:
  explicit Form(NormalForm form) : form_(form) {}
  void apply(std::string& text) const override { text = normalised(text, form_); }

 private:
  NormalForm form_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(std::string& text) const override { text = lower_case(text); }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    size_t begin = text.size(), end = 0;  // of what lies between the spaces
    for (size_t at = 0; at < text.size();) {
      const CodePoint point = code_point_at(text, at);
      if (!is_space(point.value)) {
        begin = std::min(begin, at);
        end = at + point.size_bytes;
      }
      at += point.size_bytes;
    }
    if (right_) text.resize(end);
    if (left_) text.erase(0, begin);  // all of it where it is only spaces
  }

 private:
  bool left_, right_;
};

std::string bounded(const JsonNode& node) {
  const std::string& text = node.text();
  if (text.size() > kMaxAddedBytes) {
    fail(ErrorCode::kFormat, node.where(), "is {} bytes long, expected at most {}", text.size(), kMaxAddedBytes);
  }
  return text;
}

void append_steps(const JsonNode& node, Normalizers& steps, int nesting) {
  if (nesting > kMaxNesting) fail(ErrorCode::kFormat, node.where(), "sequences nested deeper than {}", kMaxNesting);
  if (steps.size() >= kMaxSteps) fail(ErrorCode::kFormat, node.where(), "more than {} steps", kMaxSteps);
  const std::string& kind = node.kind();
  if (kind == "Sequence") {
    const JsonNode members = node["normalizers"];
    for (size_t i = 0; i < members.size(); ++i) append_steps(members.element(i), steps, nesting + 1);
  } else if (kind == "Prepend") {
    steps.push_back(std::make_unique<Prepend>(bounded(node["prepend"])));
  } else if (kind == "Replace") {
    steps.push_back(std::make_unique<Replace>(read_pattern(node["pattern"]), node["content"].text()));
  } else if (kind == "NFC") {
    steps.push_back(std::make_unique<Form>(NormalForm::kNfc));
  } else if (kind == "NFD") {
    steps.push_back(std::make_unique<Form>(NormalForm::kNfd));
  } else if (kind == "NFKC") {
    steps.push_back(std::make_unique<Form>(NormalForm::kNfkc));
  } else if (kind == "NFKD") {
    steps.push_back(std::make_unique<Form>(NormalForm::kNfkd));
  } else if (kind == "Lowercase") {
    steps.push_back(std::make_unique<Lowercase>());
  } else if (kind == "Strip") {
    steps.push_back(std::make_unique<Strip>(node["strip_left"].flag_or(true), node["strip_right"].flag_or(true)));
  } else {
    fail(ErrorCode::kUnsupported, node.where(), "normalizer '{}' is not supported", kind);
  }
}

}  // namespace

void normalise(const Normalizers& steps, std::string& text) {
  const size_t limit = 64 * text.size() + 16384;
  for (const auto& step : steps) {
    step->apply(text);
    if (text.size() > limit) fail(ErrorCode::kFormat, "normalizer", "makes a text of {} bytes much longer", limit / 64);
  }
}

Normalizers read_normalizer(const JsonNode& node) {
  Normalizers steps;
  if (node.present()) append_steps(node, steps, 0);
  return steps;
}

}  // namespace prunenet::tokenization
