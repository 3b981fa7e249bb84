// SentencePieceTokenizer: encodes through the library; decodes by itself, because the library replaces incomplete
// characters.
#include "tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/marks.h"
#include "tokenizer/piece_model.h"
#include "tokenizer/template.h"

namespace prunenet::tokenization {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
constexpr std::string_view kUnknownText = " \xe2\x81\x87 ";  // what the library writes for an unknown piece

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(const fs::path& path, const TokenizerConfig& config)
      : where_(path.string()),
        model_(open_piece_model(read_text_file(path, kMaxBytes), where_)),
        pieces_(model_->size()) {
    size_ = pieces_;
    if (pieces_ == 0) fail(ErrorCode::kFormat, where_, "has no pieces");
    read_tokens(config);
    bos_ = config.bos ? find(*config.bos) : known(model_->bos());
    eos_ = config.eos ? find(*config.eos) : known(model_->eos());
    TokenizerConfig adds = config;
    if (!adds.adds_bos) adds.adds_bos = bos_.has_value();
    apply_config(adds, bos_, eos_, around_, where_);
    // Whether the library puts a space before a text, and takes it away again.
    const auto probe = model_->encode("a");
    drops_first_space_ = !probe.empty() && std::string_view(model_->piece(probe.front())).starts_with(kMark);
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    if (options.add_special) ids = around_.before;
    std::string escaped;
    if (!is_valid_utf8(text)) text = escaped = replace_invalid(text);
    for (const Section& section : added_.cut(text, options.parse_special)) {
      if (section.id) {
        ids.push_back(*section.id);
      } else {
        const auto pieces = model_->encode(section.span.of(text));
        ids.insert(ids.end(), pieces.begin(), pieces.end());
      }
    }
    if (options.add_special) ids.insert(ids.end(), around_.after.begin(), around_.after.end());
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool keep_special) const override {
    std::string text;
    bool at_start = true;
    for (TokenId id : ids) {
      const std::string piece = token(id);
      if (is_special(id)) {
        if (keep_special) text += piece;
        continue;
      }
      const bool in_model = id < pieces_ && !extra_.contains(id);
      std::string_view rest = piece;
      if (in_model && at_start && drops_first_space_ && rest.starts_with(kMark)) rest.remove_prefix(kMark.size());
      at_start = false;
      if (!in_model) {
        text += rest;
      } else if (model_->kind(id) == PieceKind::kUnknown) {
        text += kUnknownText;
      } else if (model_->kind(id) == PieceKind::kByte) {
        text += byte_of(piece);
      } else {
        append_spaced(text, rest);
      }
    }
    return text;
  }

  int64_t vocab_size() const override { return size_; }
  std::optional<TokenId> bos() const override { return bos_; }
  std::optional<TokenId> eos() const override { return eos_; }
  bool adds_bos() const override { return bos_ && !around_.before.empty() && around_.before.front() == *bos_; }
  std::string token(TokenId id) const override {
    if (const auto found = extra_.find(id); found != extra_.end()) return found->second.content;
    if (id >= 0 && id < pieces_) return model_->piece(id);
    fail(ErrorCode::kBadOption, where_, "the id {} is not in the vocabulary of {} tokens", id, size_);
  }
  bool is_special(TokenId id) const override {
    if (const auto found = extra_.find(id); found != extra_.end()) return found->second.special;
    return id >= 0 && id < pieces_ && model_->kind(id) == PieceKind::kControl;
  }

 private:
  void read_tokens(const TokenizerConfig& config) {
    for (TokenId id = 0; id < pieces_; ++id) {
      if (model_->kind(id) != PieceKind::kControl) continue;
      AddedToken token;
      token.id = id;
      token.content = model_->piece(id);
      token.special = true;
      added_.add(token.content, token, where_);
    }
    for (const AddedToken& token : config.added) {
      if (token.content.empty()) continue;
      if (token.id < pieces_ && model_->piece(token.id) != token.content) {
        fail(ErrorCode::kMismatch, where_, "piece {} is '{}', but tokenizer_config.json says '{}'", token.id,
             model_->piece(token.id), token.content);
      }
      if (token.id > pieces_ + 65536) {
        fail(ErrorCode::kFormat, where_, "the added token '{}' has the id {}, far beyond {} pieces", token.content,
             token.id, pieces_);
      }
      extra_.emplace(token.id, token);
      added_.add(token.content, token, where_);
      size_ = std::max(size_, int64_t{token.id} + 1);
    }
  }

  std::optional<TokenId> known(int id) const {
    return id >= 0 && id < pieces_ ? std::optional<TokenId>(id) : std::nullopt;
  }

  std::optional<TokenId> find(const std::string& text) const {
    for (const auto& [id, token] : extra_) {
      if (token.content == text) return id;
    }
    const int id = model_->find(text);
    return model_->piece(id) == text ? known(id) : std::nullopt;
  }

  static std::string replace_invalid(std::string_view text) {
    std::string valid;
    const std::string escaped = escape_invalid(text);
    for (size_t at = 0; at < escaped.size();) {
      const CodePoint point = code_point_at(escaped, at);
      append_code_point(valid, escaped_byte(point.value) ? 0xfffd : point.value);
      at += point.size_bytes;
    }
    return valid;
  }

  static char byte_of(std::string_view piece) {  // <0x0A>
    int value = 0;
    if (piece.size() == 6) std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
    return static_cast<char>(value);
  }

  std::string where_;
  std::unique_ptr<PieceModel> model_;
  TokenId pieces_ = 0;
  int64_t size_ = 0;
  std::map<TokenId, AddedToken> extra_;  // that the side files add or describe
  AddedTokenFinder added_;
  Template around_;
  std::optional<TokenId> bos_, eos_;
  bool drops_first_space_ = false;
};

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const fs::path& path, const TokenizerConfig& config) {
  return std::make_unique<SentencePieceTokenizer>(path, config);
}

}  // namespace prunenet::tokenization
