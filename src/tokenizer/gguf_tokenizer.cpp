// The tokenizer of a GGUF vocabulary: special tokens are cut out, and what lies between them goes through pieces or
// byte-level BPE.
#include <array>

#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_json.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/marks.h"
#include "tokenizer/piece_merges.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/special_texts.h"
#include "tokenizer/unicode.h"

namespace prunenet {
namespace tokenization {
namespace {

/// What stands between special tokens.
class TextModel {
 public:
  virtual ~TextModel() = default;
  /// `behind_special`: a special token stands before it, or nothing.
  virtual void append_ids(std::string_view text, bool behind_special, std::vector<TokenId>& ids) const = 0;
  /// Appends what a token of type kNormal writes.
  virtual void append_text(std::string& text, std::string_view token, bool at_start) const = 0;
};

class PieceText final : public TextModel {
 public:
  explicit PieceText(const GgufTokens& tokens) : merges_(tokens), adds_space_(tokens.adds_space) {}

  void append_ids(std::string_view text, bool behind_special, std::vector<TokenId>& ids) const override {
    std::string marked;
    marked.reserve(text.size() + text.size() / 2);
    if (adds_space_ && behind_special) marked += kMark;
    append_marked(marked, text);
    merges_.append_ids(marked, ids);
  }

  void append_text(std::string& text, std::string_view token, bool at_start) const override {
    if (at_start && adds_space_ && token.starts_with(kMark)) token.remove_prefix(kMark.size());
    append_spaced(text, token);
  }

 private:
  PieceMerges merges_;
  bool adds_space_;
};

class BpeText final : public TextModel {
 public:
  BpeText(const GgufVocabulary& vocabulary, const GgufTokens& tokens, const std::string& where)
      : pre_(read_pre_tokenizer(JsonNode::of(pre_tokenizer_json(*tokens.words), where))),
        bpe_(JsonNode::of(bpe_model_json(vocabulary, tokens), where), pre_.words_are_bytes,
             Bpe::Strange::kLeftOutAfter) {}

  void append_ids(std::string_view text, bool, std::vector<TokenId>& ids) const override {
    PreTokens words{std::string(text), {{0, text.size()}}, false};
    for (const auto& step : pre_.steps) step->apply(words);
    for (const Span& word : words.words) bpe_.append_ids(word.of(words.text), ids);
  }

  void append_text(std::string& text, std::string_view token, bool) const override {
    std::string bytes;
    for (size_t at = 0; at < token.size();) {
      const CodePoint point = code_point_at(token, at);
      const auto byte = byte_level_byte(point.value);
      if (!byte) {
        text += token;  // it stands for itself
        return;
      }
      bytes += *byte;
      at += point.size_bytes;
    }
    text += bytes;
  }

 private:
  PreTokenization pre_;
  Bpe bpe_;
};

class GgufTokenizer final : public Tokenizer {
 public:
  GgufTokenizer(const GgufVocabulary& vocabulary, const std::string& where)
      : where_(where), tokens_(read_gguf_tokens(vocabulary, where)), special_(tokens_) {
    if (tokens_.is_pieces()) {
      model_ = std::make_unique<PieceText>(tokens_);
    } else {
      model_ = std::make_unique<BpeText>(vocabulary, tokens_, where);
    }
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    ids.reserve(text.size() / 4 + 2);
    if (options.add_special) ids = tokens_.around.before;
    std::string escaped;  // pieces see bytes, byte-level BPE characters
    if (!tokens_.is_pieces() && !is_valid_utf8(text)) text = escaped = escape_invalid(text);
    bool behind_special = true;
    for (const Section& section : special_.cut(text, options.parse_special)) {
      if (section.id) {
        ids.push_back(*section.id);
      } else {
        model_->append_ids(section.span.of(text), behind_special, ids);
      }
      behind_special = section.id.has_value();
    }
    if (options.add_special) ids.insert(ids.end(), tokens_.around.after.begin(), tokens_.around.after.end());
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool keep_special) const override {
    std::string text;
    bool at_start = true;
    for (TokenId id : ids) {
      require(id);
      const std::string& token = tokens_.text(id);
      switch (tokens_.type(id)) {
        case GgufTokenType::kUserDefined:
          text += token;
          at_start = false;
          break;
        case GgufTokenType::kByte:
          text += *byte_of_token(token);
          at_start = false;
          break;
        case GgufTokenType::kNormal:
          model_->append_text(text, token, at_start);
          at_start = false;
          break;
        default:
          if (keep_special) text += token;
      }
    }
    return text;
  }

  int64_t vocab_size() const override { return tokens_.size(); }
  std::optional<TokenId> bos() const override { return tokens_.bos; }
  std::optional<TokenId> eos() const override { return tokens_.eos; }
  bool adds_bos() const override { return !tokens_.around.before.empty(); }
  std::string token(TokenId id) const override {
    require(id);
    return tokens_.text(id);
  }
  bool is_special(TokenId id) const override { return id >= 0 && id < tokens_.size() && is_left_out(tokens_.type(id)); }

 private:
  void require(TokenId id) const {
    if (id >= 0 && id < tokens_.size()) return;
    fail(ErrorCode::kBadOption, where_, "the id {} is not in the vocabulary of {} tokens", id, tokens_.size());
  }

  std::string where_;
  GgufTokens tokens_;
  SpecialTexts special_;
  std::unique_ptr<TextModel> model_;
};

}  // namespace
}  // namespace tokenization

std::unique_ptr<Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary, const std::string& where) {
  return std::make_unique<tokenization::GgufTokenizer>(vocabulary, where);
}

}  // namespace prunenet
