// Which of a folder's files is the tokenizer.
#include "base/error.h"
#include "tokenizer/config.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocab_merges.h"

namespace prunenet {

namespace fs = std::filesystem;

bool has_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "tokenizer.json", ignored) || fs::exists(folder / "tokenizer.model", ignored) ||
         tokenization::has_vocab_and_merges(folder);
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& folder) {
  using namespace tokenization;
  if (!has_tokenizer(folder)) {
    fail(ErrorCode::kNotFound, folder.string(),
         "has no tokenizer: expected tokenizer.json, tokenizer.model, or vocab.json and merges.txt");
  }
  const TokenizerConfig config = read_tokenizer_config(folder);
  if (const fs::path json = folder / "tokenizer.json"; fs::exists(json))
    return make_json_tokenizer(JsonNode::read(json), config);
  if (!fs::exists(folder / "tokenizer.model"))
    return make_json_tokenizer(read_vocab_and_merges(folder, config), config);
  return open_sentencepiece(folder / "tokenizer.model", config);
}

}  // namespace prunenet
