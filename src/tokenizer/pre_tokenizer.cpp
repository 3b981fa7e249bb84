// The kinds of pre-tokenizers, each after its namesake of the tokenizers library. Offsets into the original text, which
// that library carries along, are not kept.
#include "tokenizer/pre_tokenizer.h"

#include <optional>

#include "tokenizer/byte_level.h"
#include "tokenizer/regex.h"
#include "tokenizer/split.h"

namespace prunenet::tokenization {
namespace {

constexpr int kMaxNesting = 8;

/// Cuts every word: `find` (word, matches) finds the matches.
template <typename Find>
void cut_words(PreTokens& tokens, Behavior behavior, bool invert, const Find& find) {
  std::vector<Span> words, matches;
  std::vector<Part> parts;
  words.reserve(tokens.words.size() + tokens.text.size() / 5);
  for (const Span& word : tokens.words) {
    find(word.of(tokens.text), matches);
    parts_of(matches, word.end - word.begin, invert, parts);
    append_pieces(parts, behavior, word.begin, words);
  }
  if (words.empty() || words.front().begin != tokens.words.front().begin) tokens.at_start = false;
  tokens.words = std::move(words);
}

/// Rewrites every word: `append` (text, word, index) appends the new word.
template <typename Append>
void rewrite_words(PreTokens& tokens, const Append& append) {
  std::string text;
  text.reserve(tokens.text.size() + tokens.text.size() / 4);
  for (size_t i = 0; i < tokens.words.size(); ++i) {
    const size_t begin = text.size();
    append(text, tokens.words[i].of(tokens.text), i);
    tokens.words[i] = {begin, text.size()};
  }
  tokens.text = std::move(text);
}

class Split final : public PreTokenizer {
 public:
  Split(Regex regex, Behavior behavior, bool invert) : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}
  void apply(PreTokens& tokens) const override {
    cut_words(tokens, behavior_, invert_,
              [&](std::string_view word, auto& matches) { regex_.find_all(word, matches); });
  }

 private:
  Regex regex_;
  Behavior behavior_;
  bool invert_;
};

/// Cuts at every character of a class.
class ClassSplit final : public PreTokenizer {
 public:
  ClassSplit(bool (*belongs)(char32_t), Behavior behavior) : belongs_(belongs), behavior_(behavior) {}
  void apply(PreTokens& tokens) const override {
    cut_words(tokens, behavior_, false, [&](std::string_view word, std::vector<Span>& matches) {
      matches.clear();
      for (size_t at = 0; at < word.size();) {
        const CodePoint point = code_point_at(word, at);
        if (belongs_(point.value)) matches.push_back({at, at + point.size_bytes});
        at += point.size_bytes;
      }
    });
  }

 private:
  bool (*belongs_)(char32_t);
  Behavior behavior_;
};

/// Runs of word characters, and runs of what is neither word nor space; spaces are dropped.
class Whitespace final : public PreTokenizer {
 public:
  void apply(PreTokens& tokens) const override {
    cut_words(tokens, Behavior::kRemoved, true, [](std::string_view word, std::vector<Span>& matches) {
      matches.clear();
      int previous = 0;
      for (size_t at = 0; at < word.size();) {
        const CodePoint point = code_point_at(word, at);
        const int kind = is_word(point.value) ? 1 : is_space(point.value) ? 0 : 2;
        if (kind != 0 && kind == previous) {
          matches.back().end += point.size_bytes;
        } else if (kind != 0) {
          matches.push_back({at, at + point.size_bytes});
        }
        previous = kind;
        at += point.size_bytes;
      }
    });
  }
};

class ByteLevelWords final : public PreTokenizer {
 public:
  ByteLevelWords(bool add_prefix_space, bool use_regex) : add_prefix_space_(add_prefix_space) {
    if (use_regex) regex_.emplace(kByteLevelRegex, "byte-level words");
  }
  void apply(PreTokens& tokens) const override {
    if (add_prefix_space_) {
      rewrite_words(tokens, [](std::string& text, std::string_view word, size_t) {
        if (!word.starts_with(' ')) text += ' ';
        text += word;
      });
    }
    if (!regex_) return;
    cut_words(tokens, Behavior::kIsolated, false,
              [&](std::string_view word, auto& matches) { regex_->find_all(word, matches); });
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

class ByteLevelAlphabet final : public PreTokenizer {
 public:
  void apply(PreTokens& tokens) const override {
    rewrite_words(tokens, [](std::string& text, std::string_view word, size_t) { append_byte_level(text, word); });
  }
};

class Metaspace final : public PreTokenizer {
 public:
  enum class Prepend { kAlways, kFirst, kNever };

  explicit Metaspace(const JsonNode& node)
      : mark_(node["replacement"].text()), mark_pattern_(Regex::literal(mark_, node.where())) {
    if (mark_.empty() || code_point_at(mark_, 0).size_bytes != mark_.size())
      node["replacement"].reject("one character");
    const std::string scheme = node["prepend_scheme"].text_or("always");
    if (scheme != "always" && scheme != "first" && scheme != "never")
      node["prepend_scheme"].reject("always, first or never");
    prepend_ = scheme == "always" ? Prepend::kAlways : scheme == "first" ? Prepend::kFirst : Prepend::kNever;
    if (!node["add_prefix_space"].flag_or(true)) {
      const bool contradicts = node["prepend_scheme"].present() && prepend_ != Prepend::kNever;
      if (contradicts)
        fail(ErrorCode::kMismatch, node.where(), "add_prefix_space is false, but prepend_scheme '{}'", scheme);
      prepend_ = Prepend::kNever;
    }
    split_ = node["split"].flag_or(true);
  }

  void apply(PreTokens& tokens) const override {
    rewrite_words(tokens, [&](std::string& text, std::string_view word, size_t index) {
      const bool first = index == 0 && tokens.at_start;
      const bool has_mark = word.starts_with(' ') || word.starts_with(mark_);
      if (!has_mark && (prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && first))) text += mark_;
      for (char byte : word) {
        if (byte == ' ') {
          text += mark_;
        } else {
          text += byte;
        }
      }
    });
    if (!split_) return;
    cut_words(tokens, Behavior::kMergedWithNext, false,
              [&](std::string_view word, auto& matches) { mark_pattern_.find_all(word, matches); });
  }

 private:
  std::string mark_;
  Regex mark_pattern_;
  Prepend prepend_ = Prepend::kAlways;
  bool split_ = true;
};

std::unique_ptr<PreTokenizer> read_split(const JsonNode& node) {
  return std::make_unique<Split>(read_pattern(node["pattern"]), behavior_of(node["behavior"].text(), node.where()),
                                 node["invert"].flag_or(false));
}

void append_steps(const JsonNode& node, PreTokenization& result, int nesting) {
  if (nesting > kMaxNesting) fail(ErrorCode::kFormat, node.where(), "sequences nested deeper than {}", kMaxNesting);
  const std::string& kind = node.kind();
  auto& steps = result.steps;
  if (result.words_are_bytes) {  // another step follows: it sees the alphabet
    steps.push_back(std::make_unique<ByteLevelAlphabet>());
    result.words_are_bytes = false;
  }
  if (kind == "Sequence") {
    const JsonNode members = node["pretokenizers"];
    for (size_t i = 0; i < members.size(); ++i) append_steps(members.element(i), result, nesting + 1);
  } else if (kind == "ByteLevel") {
    steps.push_back(
        std::make_unique<ByteLevelWords>(node["add_prefix_space"].flag_or(true), node["use_regex"].flag_or(true)));
    result.words_are_bytes = true;
  } else if (kind == "Split") {
    steps.push_back(read_split(node));
  } else if (kind == "Metaspace") {
    steps.push_back(std::make_unique<Metaspace>(node));
  } else if (kind == "Digits") {
    const bool single = node["individual_digits"].flag_or(false);
    steps.push_back(std::make_unique<ClassSplit>(&is_numeric, single ? Behavior::kIsolated : Behavior::kContiguous));
  } else if (kind == "Punctuation") {
    steps.push_back(
        std::make_unique<ClassSplit>(&is_punctuation, behavior_of(node["behavior"].text_or("Isolated"), node.where())));
  } else if (kind == "Whitespace") {
    steps.push_back(std::make_unique<Whitespace>());
  } else if (kind == "WhitespaceSplit") {
    steps.push_back(std::make_unique<ClassSplit>(&is_space, Behavior::kRemoved));
  } else {
    fail(ErrorCode::kUnsupported, node.where(), "pre-tokenizer '{}' is not supported", kind);
  }
}

}  // namespace

PreTokenization read_pre_tokenizer(const JsonNode& node) {
  PreTokenization result;
  if (node.present()) append_steps(node, result, 0);
  return result;
}

}  // namespace prunenet::tokenization
