// Bpe: reading the model, and from words to ids.
#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include "tokenizer/byte_level.h"
#include "tokenizer/marks.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

constexpr char32_t kLowCharacters = 0x3000;

JsonNode require_bpe(const JsonNode& node) {
  const std::string kind = node["type"].text_or("BPE");
  if (kind != "BPE") fail(ErrorCode::kUnsupported, node.where(), "model '{}' is not supported, only BPE is", kind);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!node[key].text_or("").empty())
      fail(ErrorCode::kUnsupported, node[key].where(), "'{}' is not supported", node[key].text());
  }
  const JsonNode dropout = node["dropout"];
  if (dropout.present() && !(dropout.json().is_number() && dropout.json().get<double>() == 0)) {
    fail(ErrorCode::kUnsupported, dropout.where(), "is {}: ids would be random", dropout.json().dump());
  }
  return node;
}

Vocabulary read_vocabulary(const JsonNode& node) {
  if (!node.is_object()) node.reject("an object of texts and ids");
  std::vector<std::pair<std::string, TokenId>> entries;
  entries.reserve(node.json().size());
  for (const auto& [text, id] : node.json().items()) {
    const bool is_id = id.is_number_unsigned() && id.get<uint64_t>() <= 0x7fffffffu;
    if (!is_id)
      fail(ErrorCode::kFormat, node.where(), "'{}' has {} for an id", text,
           id.is_structured() ? id.type_name() : id.dump());
    entries.emplace_back(text, id.get<TokenId>());
  }
  return Vocabulary(std::move(entries), node.where());
}

}  // namespace

Bpe::Bpe(const JsonNode& node, bool words_are_bytes, Strange strange)
    : vocabulary_(read_vocabulary(require_bpe(node)["vocab"])),
      merges_(node["merges"].size()),
      low_characters_(kLowCharacters, -1),
      words_are_bytes_(words_are_bytes),
      keeps_gaps_(strange == Strange::kLeftOutAfter) {
  for (TokenId id = 0; id < vocabulary_.size(); ++id) {
    const std::string* text = vocabulary_.text_of(id);
    if (!text || text->empty()) continue;
    const CodePoint point = code_point_at(*text, 0);
    if (point.size_bytes != text->size()) continue;
    if (point.value < kLowCharacters) {
      low_characters_[point.value] = id;
    } else {
      high_characters_[point.value] = id;
    }
  }
  if (node["byte_fallback"].flag_or(false)) {
    for (int byte = 0; byte < 256; ++byte)
      byte_tokens_.push_back(vocabulary_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  if (const JsonNode unknown = node["unk_token"]; unknown.present()) {
    unknown_ = vocabulary_.find(unknown.text());
    if (!unknown_) fail(ErrorCode::kFormat, unknown.where(), "'{}' is not in the vocabulary", unknown.text());
  }
  fuse_unknown_ = node["fuse_unk"].flag_or(false);
  ignore_merges_ = node["ignore_merges"].flag_or(false);
  cuts_at_marks_ = !words_are_bytes && !ignore_merges_ && vocabulary_.find(kMark).has_value();
  read_merges(node["merges"]);
}

void Bpe::read_merges(const JsonNode& node) {
  for (size_t i = 0; i < node.size(); ++i) {
    const auto& merge = node.json()[i];
    std::string left, right;
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      if (text.starts_with("#version")) continue;  // the head line of merges.txt
      const size_t space = text.find(' ');
      if (space == text.npos || text.find(' ', space + 1) != text.npos) {
        fail(ErrorCode::kFormat, node.element(i).where(), "is '{}', expected two texts with a space between them",
             text);
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else {
      node.element(i).reject("two texts");
    }
    const auto id_of = [&](const std::string& text) {
      if (const auto id = vocabulary_.find(text)) return *id;
      fail(ErrorCode::kFormat, node.element(i).where(), "'{}' is not in the vocabulary", text);
    };
    const std::string result = left + right;
    if (cuts_at_marks_ && has_inner_mark(result)) cuts_at_marks_ = false;
    const TokenId left_id = id_of(left), right_id = id_of(right);
    merges_.add(left_id, right_id, id_of(result));
  }
}

TokenId Bpe::character_id(char32_t value) const {
  if (value < kLowCharacters) return low_characters_[value];
  const auto found = high_characters_.find(value);
  return found == high_characters_.end() ? -1 : found->second;
}

bool Bpe::append_bytes(std::string_view bytes, std::vector<TokenId>& symbols) const {
  if (byte_tokens_.empty()) return false;
  for (char byte : bytes) {
    if (byte_tokens_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (char byte : bytes) symbols.push_back(byte_tokens_[static_cast<unsigned char>(byte)]);
  return true;
}

void Bpe::append_characters(std::string_view word, std::vector<TokenId>& symbols) const {
  bool unknown_pending = false;  // an unknown token stands before what comes next
  for (size_t at = 0; at < word.size();) {
    const CodePoint point = code_point_at(word, at);
    const std::string_view text = word.substr(at, point.size_bytes);
    at += point.size_bytes;
    if (const TokenId id = character_id(point.value); id >= 0) {
      if (unknown_pending) symbols.push_back(*unknown_);
      unknown_pending = false;
      symbols.push_back(id);
      continue;
    }
    const auto escaped = escaped_byte(point.value);
    if (append_bytes(escaped ? std::string_view(&*escaped, 1) : text, symbols)) continue;
    if (!unknown_) {
      if (keeps_gaps_) symbols.push_back(vocabulary_.size());  // in no merge
      continue;
    }
    if (unknown_pending && !fuse_unknown_) symbols.push_back(*unknown_);
    unknown_pending = true;
  }
  if (unknown_pending) symbols.push_back(*unknown_);
}

void Bpe::append_cached(std::string_view word, std::vector<TokenId>& ids) const {
  if (cache_.append(word, ids)) return;
  std::string mapped;
  std::string_view seen = word;
  if (words_are_bytes_) {
    append_byte_level(mapped, word);
    seen = mapped;
  }
  std::vector<TokenId> symbols;
  if (const auto whole = ignore_merges_ ? vocabulary_.find(seen) : std::nullopt) {
    symbols.push_back(*whole);
  } else {
    append_characters(seen, symbols);
    merges_.apply(symbols);
    if (keeps_gaps_) std::erase(symbols, vocabulary_.size());
  }
  cache_.store(word, symbols.data(), symbols.size());
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void Bpe::append_ids(std::string_view word, std::vector<TokenId>& ids) const {
  if (cuts_at_marks_) {  // no merge reaches across such a place, so that short stretches can be remembered
    cut_at_marks(word, [&](std::string_view part) { append_cached(part, ids); });
  } else if (!word.empty()) {
    append_cached(word, ids);
  }
}

}  // namespace prunenet::tokenization
