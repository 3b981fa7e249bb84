// Prompts as generate gets them: ids, a text, or a file of texts.
#pragma once

#include <string>
#include <vector>

#include "cli/token_input.h"

namespace prunenet::cli {

struct Prompt {
  std::vector<TokenId> ids;
  std::string text;  // empty where there is no tokenizer
};

/// All check the ids against the model (check_ids) and throw kBadOption naming `where`, or the line of the file.
Prompt prompt_of_ids(const std::string& list, const ModelDescription& model, const Tokenizer* tokenizer,
                     const std::string& where);
Prompt prompt_of_text(const std::string& text, const ModelDescription& model, const Tokenizer& tokenizer,
                      const std::string& where);
/// One prompt a line; empty lines are passed over. Throws kBadOption when nothing is left.
std::vector<Prompt> prompts_of_file(const std::string& path, const ModelDescription& model, const Tokenizer& tokenizer);

}  // namespace prunenet::cli
