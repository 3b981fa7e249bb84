// Token ids from the command line and from text.
#include "cli/token_input.h"

#include <charconv>

#include "base/error.h"
#include "convert/vocabulary.h"

namespace prunenet::cli {
namespace {

// Calls `take` with each id; false where one is no id.
template <typename Take>
bool for_each_id(const std::string& text, Take take) {
  constexpr const char* kSpace = " \t\r\n";
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const size_t first = std::min(text.find_first_not_of(kSpace, begin), comma);
    const size_t last = comma == first ? first : text.find_last_not_of(kSpace, comma - 1) + 1;
    TokenId id = 0;
    const auto [end, error] = std::from_chars(text.data() + first, text.data() + last, id);
    if (error != std::errc() || end != text.data() + last || id < 0) return false;
    take(id);
    begin = comma + 1;
  }
  return true;
}

}  // namespace

CLI::Validator id_list() {
  const auto problem = [](std::string& text) {
    if (for_each_id(text, [](TokenId) {})) return std::string();
    return "'" + text +
           "' is no list of token ids; expected whole numbers from 0 up with commas between, such as 1,306,4658";
  };
  return CLI::Validator(problem, "ID,ID,...");
}

std::vector<TokenId> parse_ids(const std::string& text) {
  std::vector<TokenId> ids;
  PRUNENET_CHECK(for_each_id(text, [&](TokenId id) { ids.push_back(id); }));
  return ids;
}

std::unique_ptr<Tokenizer> find_tokenizer(const OpenModel& open) {
  return has_tokenizer(open.checkpoint) ? open_tokenizer(open.checkpoint) : nullptr;
}

std::unique_ptr<Tokenizer> require_tokenizer(const OpenModel& open, const std::string& instead) {
  auto tokenizer = find_tokenizer(open);
  if (tokenizer == nullptr) {
    fail(
        ErrorCode::kNotFound, open.checkpoint.folder().string(),
        "holds no tokenizer ({}), so text cannot become token ids; {} works without one",
        open.checkpoint.gguf() != nullptr ? "tokenizer.ggml.tokens" : "tokenizer.json or tokenizer.model", instead);
  }
  return tokenizer;
}

std::vector<TokenId> encode_text(const Tokenizer& tokenizer, const std::string& text, const std::string& where) {
  if (text.empty()) fail(ErrorCode::kBadOption, where, "is empty; at least one token is needed");
  auto ids = tokenizer.encode(text);
  if (ids.empty()) fail(ErrorCode::kBadOption, where, "becomes no token");
  return ids;
}

bool has_text(const Tokenizer& tokenizer, TokenId id) {
  try {
    tokenizer.decode(std::span(&id, 1), true);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBadOption) throw;
    return false;
  }
}

std::string text_of(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  std::string text;
  size_t begin = 0;
  for (size_t i = 0; i <= ids.size(); ++i) {
    if (i < ids.size() && has_text(tokenizer, ids[i])) continue;
    text += tokenizer.decode(ids.subspan(begin, i - begin), true);
    if (i < ids.size()) text += kNoText;
    begin = i + 1;
  }
  return text;
}

void check_ids(std::span<const TokenId> ids, const ModelDescription& model, const std::string& where) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= model.vocab) {
      fail(ErrorCode::kBadOption, where, "id {} (number {} of {}) is outside the vocabulary, whose ids are 0 to {}",
           ids[i], i + 1, ids.size(), model.vocab - 1);
    }
  }
  if (model.max_context > 0 && static_cast<int64_t>(ids.size()) > model.max_context) {
    fail(ErrorCode::kBadOption, where, "has {} tokens, the context of the model holds {}", ids.size(),
         model.max_context);
  }
}

}  // namespace prunenet::cli
