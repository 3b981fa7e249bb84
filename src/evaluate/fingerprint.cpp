// Hashing tokenizers.
#include "evaluate/fingerprint.h"

#include "base/file.h"
#include "base/hash.h"

namespace prunenet {
namespace {

void update(Sha256& hash, std::string_view text) {
  hash.update(std::as_bytes(std::span(text)));
}

}  // namespace

std::string tokenizer_fingerprint(const std::filesystem::path& folder) {
  Sha256 hash;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "vocab.json", "merges.txt"}) {
    if (!std::filesystem::is_regular_file(folder / name)) continue;
    const MappedFile file(folder / name);
    update(hash, name);
    hash.update(file.bytes());
  }
  return hash.hex_digest();
}

}  // namespace prunenet
