// Hashing models and tokenizers.
#include "evaluate/fingerprint.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"

namespace prunenet {
namespace {

constexpr size_t kStretchBytes = 4096;

void update(Sha256& hash, std::string_view text) {
  hash.update(std::as_bytes(std::span(text)));
}

}  // namespace

std::string model_fingerprint(const Checkpoint& checkpoint) {
  Sha256 hash;
  update(hash, checkpoint.config_text());
  update(hash, checkpoint.header_hash());
  for (const auto& entry : checkpoint.tensors()) {
    const auto bytes = checkpoint.bytes(entry);
    const size_t size = std::min(bytes.size(), kStretchBytes);
    for (const size_t part : {0, 1, 2}) hash.update(bytes.subspan((bytes.size() - size) / 2 * part, size));
  }
  return hash.hex_digest();
}

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
