// Folders with tokenizer files made on the spot.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/support.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::test {

using Json = nlohmann::json;

/// A folder with one tokenizer in it.
class TokenizerFolder {
 public:
  explicit TokenizerFolder(const Json& tokenizer) { write("tokenizer.json", tokenizer.dump()); }
  TokenizerFolder() = default;

  TokenizerFolder& write(const std::string& name, const std::string& bytes) {
    write_bytes(folder_ / name, bytes);
    return *this;
  }
  const std::filesystem::path& path() const { return folder_.path(); }
  std::unique_ptr<Tokenizer> open() const { return open_tokenizer(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

std::unique_ptr<Tokenizer> open_json(const Json& tokenizer);

/// A byte-level BPE with GPT-2's alphabet as its first 256 ids (by byte) and these merges, each with a token of its
/// own.
Json byte_level_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges = {});

/// A BPE as SentencePiece makes it: <unk>, <s>, </s>, 256 byte tokens, then these pieces; each split of a piece into
/// two pieces is a merge, in the order of the pieces.
Json spm_tokenizer(const std::vector<std::string>& pieces);

/// All splits of each text into two texts of the vocabulary; earlier texts first.
std::vector<std::pair<std::string, std::string>> all_splits(const std::vector<std::string>& texts,
                                                            const Json& vocabulary);

Json merges_json(const std::vector<std::pair<std::string, std::string>>& merges);

/// The normalizer and the decoder of a Llama's tokenizer.json.
Json llama_normalizer();
Json llama_decoder();

/// Ids without what is put around a text.
std::vector<TokenId> bare_ids(const Tokenizer& tokenizer, const std::string& text, bool parse_special = false);

}  // namespace prunenet::test
