// The pipeline of tokenizer.json: added tokens, normalizer, added tokens, pre-tokenizer, model, post-processor; and
// back.
#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <map>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/template.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(const JsonNode& root, const TokenizerConfig& config)
      : where_(root.where()),
        normalizers_(read_normalizer(root["normalizer"])),
        pre_(read_pre_tokenizer(root["pre_tokenizer"])),
        bpe_(root["model"], pre_.words_are_bytes),
        decoders_(read_decoder(root["decoder"])),
        around_(read_template(root["post_processor"])),
        size_(bpe_.vocabulary().size()) {
    if (const JsonNode added = root["added_tokens"]; added.present()) read_added(added);
    std::optional<TokenId> only_before;  // where no file names BOS, it is what the template puts before a text
    if (around_.before.size() == 1) only_before = around_.before.front();
    bos_ = config.bos ? find(*config.bos) : only_before;
    if (config.eos) eos_ = find(*config.eos);
    apply_config(config, bos_, eos_, around_, where_);
    for (const auto* ids : {&around_.before, &around_.after}) {
      for (TokenId id : *ids) {
        if (!find_token(id))
          fail(ErrorCode::kFormat, where_ + ": post_processor", "the id {} is not in the vocabulary", id);
      }
    }
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    ids.reserve(text.size() / 4 + 2);
    if (options.add_special) ids = around_.before;
    std::string escaped;
    if (!is_valid_utf8(text)) text = escaped = escape_invalid(text);
    for (const Section& section : raw_.cut(text, options.parse_special)) {
      if (section.id) {
        ids.push_back(*section.id);
      } else {
        append_section(section.span.of(text), section.span.begin == 0, options.parse_special, ids);
      }
    }
    if (options.add_special) ids.insert(ids.end(), around_.after.begin(), around_.after.end());
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool keep_special) const override {
    std::vector<std::string> texts;
    texts.reserve(ids.size());
    for (TokenId id : ids) {
      const std::string& text = require_token(id);
      if (keep_special || !is_special(id)) texts.push_back(text);
    }
    return joined(decoders_, std::move(texts));
  }

  int64_t vocab_size() const override { return size_; }
  std::optional<TokenId> bos() const override { return bos_; }
  std::optional<TokenId> eos() const override { return eos_; }
  bool adds_bos() const override { return bos_ && !around_.before.empty() && around_.before.front() == *bos_; }
  std::string token(TokenId id) const override { return require_token(id); }
  bool is_special(TokenId id) const override {
    const auto found = added_.find(id);
    return found != added_.end() && found->second.special;
  }

 private:
  void read_added(const JsonNode& list) {
    std::map<std::string, TokenId> ids;
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonNode node = list.element(i);
      AddedToken token = read_added_token(node, node["id"].number());
      if (token.content.empty()) continue;
      const auto known = bpe_.vocabulary().find(token.content);
      if (known && *known != token.id) {
        fail(ErrorCode::kMismatch, node.where(), "'{}' has the id {}, but {} in the vocabulary", token.content,
             token.id, *known);
      }
      const std::string* other = known ? nullptr : bpe_.vocabulary().text_of(token.id);
      if (other) {
        fail(ErrorCode::kFormat, node.where(), "'{}' has the id {}, which is that of '{}'", token.content, token.id,
             *other);
      }
      if (token.id > size_ + 65536) {
        fail(ErrorCode::kFormat, node.where(), "the id {} is far beyond a vocabulary of {}", token.id, size_);
      }
      const auto [place, is_new] = ids.emplace(token.content, token.id);
      if (!is_new && place->second != token.id) {
        fail(ErrorCode::kFormat, node.where(), "'{}' has the ids {} and {}", token.content, place->second, token.id);
      }
      const auto [same, is_new_id] = added_.emplace(token.id, token);
      if (!is_new_id && same->second.content != token.content) {
        fail(ErrorCode::kFormat, node.where(), "'{}' has the id {}, which is that of '{}'", token.content, token.id,
             same->second.content);
      }
      same->second = token;
    }
    for (const auto& [id, token] : added_) {
      size_ = std::max(size_, int64_t{id} + 1);
      std::string sought = token.content;
      if (token.normalized) normalise(normalizers_, sought);
      (token.normalized ? normalised_ : raw_).add(sought, token, where_);
    }
  }

  std::optional<TokenId> find(const std::string& text) const {
    if (const auto id = bpe_.vocabulary().find(text)) return id;
    for (const auto& [id, token] : added_) {
      if (token.content == text) return id;
    }
    return std::nullopt;
  }

  const std::string* find_token(TokenId id) const {
    const auto found = added_.find(id);
    return found != added_.end() ? &found->second.content : bpe_.vocabulary().text_of(id);
  }

  const std::string& require_token(TokenId id) const {
    if (const std::string* text = find_token(id)) return *text;
    fail(ErrorCode::kBadOption, where_, "the id {} is not in the vocabulary of {} tokens", id, size_);
  }

  void append_section(std::string_view section, bool at_start, bool parse_special, std::vector<TokenId>& ids) const {
    std::string changed;
    if (!normalizers_.empty()) {
      changed = section;
      normalise(normalizers_, changed);
      section = changed;
    }
    for (const Section& inner : normalised_.cut(section, parse_special)) {
      if (inner.id) {
        ids.push_back(*inner.id);
        continue;
      }
      if (pre_.steps.empty()) {
        bpe_.append_ids(inner.span.of(section), ids);
        continue;
      }
      PreTokens words{std::string(inner.span.of(section)), {}, at_start && inner.span.begin == 0};
      words.words.push_back({0, words.text.size()});
      for (const auto& step : pre_.steps) step->apply(words);
      for (const Span& word : words.words) bpe_.append_ids(word.of(words.text), ids);
    }
  }

  std::string where_;
  Normalizers normalizers_;
  PreTokenization pre_;
  Bpe bpe_;
  Decoders decoders_;
  Template around_;
  std::map<TokenId, AddedToken> added_;
  AddedTokenFinder raw_, normalised_;  // sought before and after normalisation
  int64_t size_;
  std::optional<TokenId> bos_, eos_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_json_tokenizer(const JsonNode& root, const TokenizerConfig& config) {
  return std::make_unique<JsonTokenizer>(root, config);
}

}  // namespace prunenet::tokenization
