// Counting pairs, merging them, and the tokenizer.json that says the result.
#include "bpe_trainer.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;
using Pair = std::pair<std::string, std::string>;

constexpr std::string_view kSpace = "\u2581";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Bytes of the UTF-8 character that begins with `first`; 1 for what begins none.
size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
}

std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> result;
  for (size_t at = 0; at < text.size(); at += result.back().size())
    result.push_back(text.substr(at, character_bytes(text[at])));
  return result;
}

// Joins every occurrence of the pair, from left to right.
void merge(std::vector<std::string>& symbols, const Pair& pair) {
  size_t kept = 0;
  for (size_t i = 0; i < symbols.size(); ++i, ++kept) {
    if (i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second) {
      symbols[kept] = pair.first + pair.second;
      ++i;
    } else if (kept != i) {
      symbols[kept] = symbols[i];
    }
  }
  symbols.resize(kept);
}

struct Word {
  std::vector<std::string> symbols;
  int64_t count = 0;
};

// The pair to merge next, with its count; a count of 0 when there is none.
std::pair<Pair, int64_t> most_frequent_pair(const std::vector<Word>& words) {
  std::map<Pair, int64_t> counts;
  for (const Word& word : words) {
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) counts[{word.symbols[i], word.symbols[i + 1]}] += word.count;
  }
  std::pair<Pair, int64_t> best;
  for (const auto& [pair, count] : counts) {
    if (count > best.second) best = {pair, count};
  }
  return best;
}

Json special_token(TokenId id, const char* content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

Json template_part(const char* kind, const char* id, int type) {
  Json part;
  part[kind] = {{"id", id}, {"type_id", type}};
  return part;
}

Json post_processor() {
  Json processor;
  processor["type"] = "TemplateProcessing";
  processor["single"] = Json::array({template_part("SpecialToken", "<s>", 0), template_part("Sequence", "A", 0)});
  processor["pair"] = Json::array({template_part("SpecialToken", "<s>", 0), template_part("Sequence", "A", 0),
                                   template_part("SpecialToken", "<s>", 1), template_part("Sequence", "B", 1)});
  processor["special_tokens"]["<s>"] = {
      {"id", "<s>"}, {"ids", Json::array({kBosToken})}, {"tokens", Json::array({"<s>"})}};
  return processor;
}

}  // namespace

std::vector<std::string> bpe_units(std::string_view text) {
  std::string normal(kSpace);
  for (const char c : text) c == ' ' ? normal.append(kSpace) : normal.append(1, c);
  std::vector<std::string> units;
  for (size_t at = 0; at < normal.size();) {
    size_t end = at;
    if (normal.compare(end, kSpace.size(), kSpace) == 0) end += kSpace.size();
    const size_t after_space = end;
    while (end < normal.size() && is_letter(normal[end])) ++end;
    const bool is_other = end == after_space && end < normal.size() && normal[end] != '\n' && normal[end] != kSpace[0];
    if (is_other) end += character_bytes(normal[end]);
    if (end == at) end += character_bytes(normal[end]);
    units.push_back(normal.substr(at, end - at));
    at = end;
  }
  return units;
}

BpeVocabulary train_bpe(const std::map<std::string, int64_t>& unit_counts, int64_t vocab_size) {
  BpeVocabulary result;
  result.pieces = {"<unk>", "<s>", "</s>"};
  for (int byte = 0; byte < 256; ++byte) result.pieces.push_back(fmt::format("<0x{:02X}>", byte));
  std::vector<Word> words;
  std::set<std::string> alphabet;
  for (const auto& [unit, count] : unit_counts) {
    if (unit == "\n") continue;  // stays a byte, as in Llama
    words.push_back({characters(unit), count});
    alphabet.insert(words.back().symbols.begin(), words.back().symbols.end());
  }
  const auto least = static_cast<int64_t>(result.pieces.size() + alphabet.size());
  if (vocab_size < least) {
    fail(ErrorCode::kBadOption, "vocabulary", "must hold at least {} pieces for this text, not {}", least, vocab_size);
  }
  while (static_cast<int64_t>(result.pieces.size() + alphabet.size()) < vocab_size) {
    const auto [pair, count] = most_frequent_pair(words);
    if (count < 2) break;
    for (Word& word : words) merge(word.symbols, pair);
    result.pieces.push_back(pair.first + pair.second);
    result.merges.push_back(pair);
  }
  result.pieces.insert(result.pieces.end(), alphabet.begin(), alphabet.end());
  return result;
}

std::string bpe_tokenizer_json(const BpeVocabulary& vocabulary) {
  const std::string space(kSpace);
  Json tokenizer{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  tokenizer["added_tokens"] = Json::array(
      {special_token(kUnknownToken, "<unk>"), special_token(kBosToken, "<s>"), special_token(kEosToken, "</s>")});
  tokenizer["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers", Json::array({Json{{"type", "Prepend"}, {"prepend", space}},
                                   Json{{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}}})}};
  tokenizer["pre_tokenizer"] = nullptr;
  tokenizer["post_processor"] = post_processor();
  tokenizer["decoder"] = {
      {"type", "Sequence"},
      {"decoders", Json::array({Json{{"type", "Replace"}, {"pattern", {{"String", space}}}, {"content", " "}},
                                Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}},
                                Json{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  Json vocab, merges = Json::array();
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) vocab[vocabulary.pieces[id]] = id;
  for (const auto& [left, right] : vocabulary.merges) merges.push_back(left + " " + right);
  tokenizer["model"] = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", "<unk>"},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", true},
                        {"byte_fallback", true},
                        {"vocab", std::move(vocab)},
                        {"merges", std::move(merges)}};
  return tokenizer.dump(2) + "\n";
}

BpeEncoder::BpeEncoder(BpeVocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
  for (size_t id = 0; id < vocabulary_.pieces.size(); ++id)
    ids_.emplace(vocabulary_.pieces[id], static_cast<TokenId>(id));
  for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) ranks_.emplace(vocabulary_.merges[rank], rank);
}

std::vector<TokenId> BpeEncoder::encode(std::string_view text) {
  std::vector<TokenId> ids;
  for (const std::string& unit : bpe_units(text)) {
    auto known = seen_.find(unit);
    if (known == seen_.end()) known = seen_.emplace(unit, encode_unit(unit)).first;
    ids.insert(ids.end(), known->second.begin(), known->second.end());
  }
  return ids;
}

std::vector<TokenId> BpeEncoder::encode_unit(const std::string& unit) const {
  std::vector<std::string> symbols = characters(unit);
  for (;;) {
    size_t best = std::numeric_limits<size_t>::max();
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = ranks_.find({symbols[i], symbols[i + 1]});
      if (rank != ranks_.end() && rank->second < best) best = rank->second;
    }
    if (best == std::numeric_limits<size_t>::max()) break;
    merge(symbols, vocabulary_.merges[best]);
  }
  std::vector<TokenId> ids;
  for (const std::string& symbol : symbols) {
    const auto id = ids_.find(symbol);
    if (id != ids_.end()) {
      ids.push_back(id->second);
    } else {
      for (const char c : symbol) ids.push_back(kFirstByteToken + static_cast<unsigned char>(c));
    }
  }
  return ids;
}

std::string BpeEncoder::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) {
    PRUNENET_CHECK(id >= 0 && id < static_cast<TokenId>(vocabulary_.pieces.size()));
    if (id < kFirstByteToken) continue;
    if (id < kFirstByteToken + 256) {
      text += static_cast<char>(id - kFirstByteToken);
      continue;
    }
    for (const std::string& symbol : characters(vocabulary_.pieces[static_cast<size_t>(id)])) {
      symbol == kSpace ? text.append(1, ' ') : text.append(symbol);
    }
  }
  return text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace prunenet
