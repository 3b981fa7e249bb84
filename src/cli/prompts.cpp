// Reading prompts.
#include "cli/prompts.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace prunenet::cli {
namespace {
constexpr uint64_t kLargestFileBytes = uint64_t{64} << 20;
}  // namespace

Prompt prompt_of_ids(const std::string& list, const ModelDescription& model, const Tokenizer* tokenizer,
                     const std::string& where) {
  std::vector<TokenId> ids = parse_ids(list);
  check_ids(ids, model, where);
  std::string text = tokenizer == nullptr ? "" : text_of(*tokenizer, ids);
  return {std::move(ids), std::move(text)};
}

Prompt prompt_of_text(const std::string& text, const ModelDescription& model, const Tokenizer& tokenizer,
                      const std::string& where) {
  std::vector<TokenId> ids = encode_text(tokenizer, text, where);
  check_ids(ids, model, where);
  return {std::move(ids), text};
}

std::vector<Prompt> prompts_of_file(const std::string& path, const ModelDescription& model,
                                    const Tokenizer& tokenizer) {
  const std::string text = read_text_file(path, kLargestFileBytes);
  std::vector<Prompt> prompts;
  size_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    prompts.push_back(prompt_of_text(line, model, tokenizer, fmt::format("{}, line {}", path, number)));
  }
  if (prompts.empty()) fail(ErrorCode::kBadOption, path, "holds no prompt; expected one a line");
  return prompts;
}

}  // namespace prunenet::cli
