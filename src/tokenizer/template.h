// What stands around every text: the post-processor of tokenizer.json, with the last word by tokenizer_config.json.
#pragma once

#include <optional>
#include <vector>

#include "base/token_id.h"
#include "tokenizer/config.h"
#include "tokenizer/json_node.h"

namespace prunenet::tokenization {

struct Template {
  std::vector<TokenId> before, after;
};

/// Reads `post_processor`. Throws kUnsupported for a kind that is not known, kFormat for one without exactly one place
/// for the text.
Template read_template(const JsonNode& node);

/// Makes `around` begin with BOS and end with EOS, or not, where the config (or the class of tokenizer it names) says
/// so.
void apply_config(const TokenizerConfig& config, std::optional<TokenId> bos, std::optional<TokenId> eos,
                  Template& around, const std::string& where);

}  // namespace prunenet::tokenization
