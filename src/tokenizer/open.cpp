// Which of a folder's files is the tokenizer.
#include "base/error.h"
#include "tokenizer/config.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace prunenet {

namespace fs = std::filesystem;

bool has_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "tokenizer.json", ignored) || fs::exists(folder / "tokenizer.model", ignored);
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& folder) {
  using namespace tokenization;
  if (!has_tokenizer(folder)) {
    fail(ErrorCode::kNotFound, folder.string(), "has no tokenizer: expected tokenizer.json or tokenizer.model");
  }
  const TokenizerConfig config = read_tokenizer_config(folder);
  if (const fs::path json = folder / "tokenizer.json"; fs::exists(json))
    return make_json_tokenizer(JsonNode::read(json), config);
  return open_sentencepiece(folder / "tokenizer.model", config);
}

}  // namespace prunenet
