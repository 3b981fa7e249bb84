// TokenList: the tokens of a vocabulary in the making.
#include <algorithm>

#include "tokenizer/gguf_folder.h"
#include "tokenizer/marks.h"

namespace prunenet::tokenization {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 24;
constexpr float kUnusedScore = -10000, kAddedScore = -1000;  // as llama.cpp's converter has them

// Tokens that some files forget to call special.
bool looks_special(std::string_view text) {
  for (std::string_view name : {"<pad>", "<mask>", "<2mass>", "[@BOS@]"}) {
    if (text == name) return true;
  }
  return (text.starts_with("<|") && text.ends_with("|>")) || (text.starts_with("<｜") && text.ends_with("｜>")) ||
         (text.starts_with("<unused") && text.ends_with(">"));
}

}  // namespace

TokenList::TokenList(int64_t size, bool has_scores, const std::string& where) : where_(where), has_scores_(has_scores) {
  if (size < 1 || size > kMaxTokens) {
    fail(ErrorCode::kBadOption, where, "a vocabulary of {} tokens was asked for, expected 1 to {}", size, kMaxTokens);
  }
  const auto count = static_cast<size_t>(size);
  texts_.resize(count);
  scores_.assign(count, kUnusedScore);
  types_.assign(count, static_cast<int32_t>(GgufTokenType::kUnused));
  used_.resize(count);
  for (size_t id = 0; id < count; ++id) texts_[id] = fmt::format("[PAD{}]", id);
}

void TokenList::require(TokenId id, std::string_view text) const {
  if (id >= 0 && id < count()) return;
  fail(ErrorCode::kMismatch, where_, "the token '{}' has the id {}, but the model has only {} tokens", text, id,
       count());
}

void TokenList::set(TokenId id, const std::string& text, float score, GgufTokenType type) {
  require(id, text);
  const auto at = static_cast<size_t>(id);
  texts_[at] = text;
  scores_[at] = score;
  types_[at] = static_cast<int32_t>(type);
  used_[at] = true;
}

bool TokenList::has(TokenId id) const {
  return id >= 0 && id < count() && used_[static_cast<size_t>(id)];
}

void TokenList::leave_out(const AddedToken& token) {
  if (left_out_.insert(token.id).second && left_out_.size() == 1) first_left_out_ = token;
}

void TokenList::give(GgufVocabulary& vocabulary) {
  if (const size_t number = left_out_.size(); number > 0) {
    vocabulary.notes.push_back(
        fmt::format("{} beyond the model's {} tokens and left out: '{}' (id {}){}",
                    number == 1 ? "an added token is" : fmt::format("{} added tokens are", number), count(),
                    first_left_out_.content, first_left_out_.id, number == 1 ? "" : " and others"));
  }
  vocabulary.tokens = std::move(texts_);
  vocabulary.types = std::move(types_);
  if (has_scores_) vocabulary.scores = std::move(scores_);
}

void set_added(const AddedToken& token, TokenList& list) {
  if (token.content.empty()) return;
  if (token.id >= list.count()) {
    list.leave_out(token);
    return;
  }
  const bool is_control = token.special || looks_special(token.content);
  if (list.has(token.id) && list.text(token.id) == token.content) {
    const GgufTokenType known = list.type(token.id);
    // It says of its own what it is, and keeps its score.
    if (is_control && (known == GgufTokenType::kControl || known == GgufTokenType::kUnknown)) return;
  }
  std::string text;
  if (is_control) {
    text = token.content;
  } else {
    append_spaced(text, token.content);
    if (list.has(token.id) && list.text(token.id) == text && list.type(token.id) == GgufTokenType::kUserDefined) return;
  }
  list.set(token.id, text, kAddedScore, is_control ? GgufTokenType::kControl : GgufTokenType::kUserDefined);
}

}  // namespace prunenet::tokenization
