// PieceMerges: every way to make a piece of two symbols is a merge; its rank is the place of the piece's score.
#include "tokenizer/piece_merges.h"

#include <algorithm>
#include <array>
#include <functional>

#include "tokenizer/marks.h"

namespace prunenet::tokenization {
namespace {

// Ranks by id: 0 for the highest score, one for all that are equal.
std::vector<uint32_t> ranks_of(const std::vector<float>& scores) {
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>{});
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<uint32_t> ranks;
  ranks.reserve(scores.size());
  for (float score : scores) {
    const auto place = std::lower_bound(sorted.begin(), sorted.end(), score, std::greater<>{});
    ranks.push_back(static_cast<uint32_t>(place - sorted.begin()));
  }
  return ranks;
}

}  // namespace

size_t piece_character_size(std::string_view text) {
  constexpr std::array<size_t, 16> kSizes{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return std::min(text.size(), kSizes[static_cast<unsigned char>(text.front()) >> 4]);
}

std::vector<PieceSplit> piece_splits(const GgufTokens& tokens, std::vector<std::string>& inner) {
  std::unordered_map<std::string_view, TokenId> ids;
  ids.reserve(tokens.texts.size());
  for (TokenId id = 0; id < tokens.size(); ++id) ids.emplace(tokens.text(id), id);
  std::vector<PieceSplit> splits;
  const auto symbol = [&](std::string_view text) -> TokenId {
    if (const auto found = ids.find(text); found != ids.end()) return found->second;
    if (piece_character_size(text) != text.size()) return -1;
    const TokenId next = tokens.size() + static_cast<TokenId>(inner.size());
    ids.emplace(text, next);  // `text` lies in `tokens`
    inner.emplace_back(text);
    return next;
  };
  for (TokenId id = 0; id < tokens.size(); ++id) {
    const std::string_view text = tokens.text(id);
    for (size_t at = piece_character_size(text); at < text.size(); at += piece_character_size(text.substr(at))) {
      const TokenId left = symbol(text.substr(0, at)), right = left < 0 ? -1 : symbol(text.substr(at));
      if (right >= 0) splits.push_back({left, right, id});
    }
  }
  return splits;
}

PieceMerges::PieceMerges(const GgufTokens& tokens)
    : size_(tokens.size()), bytes_(256, -1), unknown_(tokens.unknown.value_or(-1)), merges_(0) {
  for (TokenId id = 0; id < size_; ++id) {
    const std::string& text = tokens.text(id);
    if (piece_character_size(text) == text.size()) characters_.emplace(text, id);
    if (const auto byte = byte_of_token(text)) bytes_[static_cast<unsigned char>(*byte)] = id;
  }
  for (size_t byte = 0; byte < bytes_.size(); ++byte) {  // a vocabulary of single bytes
    const auto found =
        bytes_[byte] >= 0 ? characters_.end() : characters_.find(std::string(1, static_cast<char>(byte)));
    if (found != characters_.end()) bytes_[byte] = found->second;
  }
  const auto splits = piece_splits(tokens, inner_);
  for (size_t i = 0; i < inner_.size(); ++i) characters_.emplace(inner_[i], size_ + static_cast<TokenId>(i));
  const auto ranks = ranks_of(tokens.scores);
  merges_ = Merges(splits.size());
  for (const PieceSplit& split : splits) {
    merges_.add(split.left, split.right, split.result, ranks[static_cast<size_t>(split.result)]);
    if (cuts_at_marks_ && has_inner_mark(tokens.text(split.result))) cuts_at_marks_ = false;
  }
}

void PieceMerges::append_bytes(std::string_view character, std::vector<TokenId>& ids) const {
  for (char byte : character) {
    const TokenId id = bytes_[static_cast<unsigned char>(byte)];
    if (id >= 0) {
      ids.push_back(id);
    } else if (unknown_ >= 0) {
      ids.push_back(unknown_);
    }
  }
}

void PieceMerges::append_cached(std::string_view word, std::vector<TokenId>& ids) const {
  if (cache_.append(word, ids)) return;
  const auto first_strange = size_ + static_cast<TokenId>(inner_.size());  // characters that are in no token
  std::vector<std::string_view> strange;
  std::vector<TokenId> symbols, found;
  for (size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, piece_character_size(word.substr(at)));
    at += character.size();
    const auto known = characters_.find(character);
    if (known != characters_.end()) {
      symbols.push_back(known->second);
    } else {
      symbols.push_back(first_strange + static_cast<TokenId>(strange.size()));
      strange.push_back(character);
    }
  }
  merges_.apply(symbols);
  for (TokenId symbol : symbols) {
    if (symbol < size_) {
      found.push_back(symbol);
    } else if (symbol < first_strange) {
      append_bytes(inner_[static_cast<size_t>(symbol - size_)], found);
    } else {
      append_bytes(strange[static_cast<size_t>(symbol - first_strange)], found);
    }
  }
  cache_.store(word, found.data(), found.size());
  ids.insert(ids.end(), found.begin(), found.end());
}

void PieceMerges::append_ids(std::string_view text, std::vector<TokenId>& ids) const {
  if (cuts_at_marks_) {
    cut_at_marks(text, [&](std::string_view word) { append_cached(word, ids); });
  } else if (!text.empty()) {
    append_cached(text, ids);
  }
}

}  // namespace prunenet::tokenization
