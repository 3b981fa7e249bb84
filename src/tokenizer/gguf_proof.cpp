// Trying texts out on two tokenizers.
#include "tokenizer/gguf_proof.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

using Ids = std::vector<TokenId>;

constexpr size_t kShownBytes = 20;

// Contractions, numbers, marks, several scripts, emoji. In the first text no two spaces stand together: what becomes of
// them is the one thing in which tokenizer.json and tokenizer.model of the same model may differ.
constexpr std::string_view kWordSample =
    "It's what THEY'RE told; she'd've paid $1,234.56 (or 1e-9)?! def f(x): return x**2 # 10000000 ___ ==> ok... Größe "
    "Ünïcödé žluťoučký. Привет, мир! Καλημέρα κόσμε. 我想在苹果工作1314151天～ 日本語テキスト 한국어 텍스트. שלום عالم "
    "हिन्दी ภาษาไทย កាន់តែ 😀 👨‍👩‍👧 🦙🦙 a\u00a0b";
constexpr std::string_view kSpaceSample = "\n\n\t  def f(x):\r\n        return x**2  # 3\n\n\n \u3000c   ";
constexpr std::string_view kSpacesFirst = "  Hello";

/// The last characters of a text; what is cut off or no UTF-8 at its end is left out.
std::string end_of(std::string text) {
  for (int cut = 0; cut < 3 && !is_valid_utf8(text) && !text.empty(); ++cut) text.pop_back();
  size_t shown = text.size() > kShownBytes ? text.size() - kShownBytes : 0;
  while (shown < text.size() && (static_cast<unsigned char>(text[shown]) & 0xc0) == 0x80) ++shown;
  text.erase(0, shown);
  return is_valid_utf8(text) ? text : std::string();
}

class Comparison {
 public:
  Comparison(const Tokenizer& own, const Tokenizer& other) : own_(own), other_(other) {}

  bool differs(std::string_view text, bool parse_special = false) {
    const EncodeOptions options{.add_special = false, .parse_special = parse_special};
    ids_ = own_.encode(text, options);
    other_ids_ = other_.encode(text, options);
    return ids_ != other_ids_;
  }

  /// Of the text that was asked for last: "behind 'x' it makes 1 ('a') where llama.cpp makes 2 ('b')".
  std::string first_difference() const {
    size_t at = 0;
    while (at < ids_.size() && at < other_ids_.size() && ids_[at] == other_ids_[at]) ++at;
    const auto show = [&](const Tokenizer& tokenizer, const Ids& ids) {
      return at < ids.size() ? fmt::format("{} ('{}')", ids[at], tokenizer.token(ids[at])) : std::string("nothing");
    };
    return fmt::format("behind '{}' it makes {} where llama.cpp makes {}",
                       end_of(own_.decode(std::span(ids_).first(at))), show(own_, ids_), show(other_, other_ids_));
  }

  /// Likewise, all of it: "'xy' becomes 'x' 'y', and in llama.cpp 'xy'".
  std::string whole_difference(std::string_view text) const {
    return fmt::format("'{}' becomes{}, and in llama.cpp{}", text, all(own_, ids_), all(other_, other_ids_));
  }

 private:
  static std::string all(const Tokenizer& tokenizer, const Ids& ids) {
    std::string shown;
    for (TokenId id : ids) shown += fmt::format(" '{}'", tokenizer.token(id));
    return shown;
  }

  const Tokenizer& own_;
  const Tokenizer& other_;
  Ids ids_, other_ids_;
};

[[noreturn]] void refuse(const Comparison& comparison, const std::string& where) {
  fail(ErrorCode::kUnsupported, where, "GGUF cannot state this tokenizer: {}", comparison.first_difference());
}

// llama.cpp puts a space before every text and behind every special token, or nowhere. Returns whether the spaces
// before a text are read otherwise.
bool note_starts(Comparison& comparison, const Tokenizer& other, GgufVocabulary& vocabulary) {
  const auto note = [&](std::string_view what, std::string_view text) {
    vocabulary.notes.push_back(
        fmt::format("llama.cpp has a rule of its own for {}: {}", what, comparison.whole_difference(text)));
  };
  const bool spaces = comparison.differs(kSpacesFirst);
  if (spaces) note("a text that begins with spaces", kSpacesFirst);
  const auto text_of = [&](std::optional<TokenId> id) {
    return id && other.is_special(*id) ? other.token(*id) : std::string();
  };
  // No space behind a token: whether it takes that along is another question.
  const std::string special = text_of(other.bos()) + "Once" + text_of(other.eos()) + "upon";
  if (comparison.differs(special, true)) note("what stands behind a special token", special);
  return spaces;
}

std::string some_of(const std::vector<std::string>& tokens) {
  const size_t others = tokens.size() - 1;
  if (others == 0) return fmt::format("the added token '{}' takes", tokens.front());
  return fmt::format("the added token '{}' and {} other{} take", tokens.front(), others, others == 1 ? "" : "s");
}

}  // namespace

void prove_same_tokenizer(const Tokenizer& own, GgufVocabulary& vocabulary, const Proof& proof,
                          const std::string& where) {
  const auto found = make_tokenizer(vocabulary, where);
  Comparison comparison(own, *found);
  bool differs = comparison.differs(kWordSample);
  if (differs && !proof.words_may_differ) refuse(comparison, where);
  if (!differs && comparison.differs(kSpaceSample)) {
    differs = true;
    if (!proof.words_may_differ && !proof.spaces_may_differ) refuse(comparison, where);
  }
  if (differs && proof.words_may_differ) {
    vocabulary.notes.push_back(
        fmt::format("llama.cpp cuts words by its own rule for '{}', which is not quite the tokenizer's: {}",
                    vocabulary.pre, comparison.first_difference()));
  } else if (differs) {
    vocabulary.notes.push_back(
        fmt::format("llama.cpp reads runs of spaces by tokenizer.model: {}", comparison.first_difference()));
  }
  const bool starts_differ = note_starts(comparison, *found, vocabulary);
  if (!proof.every_token) return;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] != static_cast<int32_t>(GgufTokenType::kNormal)) continue;
    const auto token = static_cast<TokenId>(id);
    std::string text = own.decode(std::span(&token, 1));
    if (starts_differ && text.starts_with(' ')) text.insert(0, "a");
    if (comparison.differs(text)) refuse(comparison, where);
  }
}

void note_spaces_around(const std::vector<AddedToken>& added, GgufVocabulary& vocabulary, const std::string& where) {
  const GgufTokens tokens = read_gguf_tokens(vocabulary, where);
  std::vector<std::string> own_behind, other_behind, own_before;
  for (const AddedToken& token : added) {
    if (token.id < 0 || token.id >= tokens.size() || token.content.empty()) continue;
    const bool takes = tokens.takes_spaces[static_cast<size_t>(token.id)];
    if (token.rstrip && !takes) own_behind.push_back(token.content);
    if (!token.rstrip && takes) other_behind.push_back(token.content);
    if (token.lstrip) own_before.push_back(token.content);
  }
  if (!own_behind.empty()) {
    vocabulary.notes.push_back(
        fmt::format("{} along the spaces that follow, but in llama.cpp those are tokens of their own: it goes by the "
                    "model's name, and '{}' does not contain 'phi-3' (convert --name gives another name)",
                    some_of(own_behind), vocabulary.model_name));
  }
  if (!other_behind.empty()) {
    vocabulary.notes.push_back(fmt::format(
        "{} along the spaces that follow in llama.cpp, but not by the tokenizer's own files: it goes by the "
        "model's name, and '{}' contains 'phi-3' (convert --name gives another name)",
        some_of(other_behind), vocabulary.model_name));
  }
  if (!own_before.empty()) {
    vocabulary.notes.push_back(fmt::format(
        "{} along the spaces that stand before, but in llama.cpp those are tokens of their own", some_of(own_before)));
  }
}

}  // namespace prunenet::tokenization
