// Token ids as a verb gets them: listed on the command line, or from text by the model's tokenizer.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "cli/verb.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::cli {

/// Accepts ids as `parse_ids` reads them, and at least one.
CLI::Validator id_list();
/// The ids of "1,2,3"; spaces may stand around them. The text has passed `id_list`.
std::vector<TokenId> parse_ids(const std::string& text);

/// The tokenizer of the model's folder, or nothing where it has none.
std::unique_ptr<Tokenizer> find_tokenizer(const OpenModel& open);
/// The same; throws kNotFound, saying that `instead` works without one.
std::unique_ptr<Tokenizer> require_tokenizer(const OpenModel& open, const std::string& instead);

/// Ids of a text, with what the tokenizer puts around one (BOS). Throws kBadOption for an empty text.
std::vector<TokenId> encode_text(const Tokenizer& tokenizer, const std::string& text, const std::string& where);

/// Whether the tokenizer has a text for the id. A model's vocabulary may be larger than its tokenizer's (padded to a
/// round number), and the model may choose such an id.
inline constexpr const char* kNoText = "\uFFFD";
bool has_text(const Tokenizer& tokenizer, TokenId id);
/// The text of ids, special tokens included; U+FFFD for those that have none.
std::string text_of(const Tokenizer& tokenizer, std::span<const TokenId> ids);

/// Throws kBadOption when an id is outside the model's vocabulary, or when there are more than its context holds.
void check_ids(std::span<const TokenId> ids, const ModelDescription& model, const std::string& where);

}  // namespace prunenet::cli
