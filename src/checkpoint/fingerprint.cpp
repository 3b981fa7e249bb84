// Hashing models.
#include "checkpoint/fingerprint.h"

#include <algorithm>

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
    checkpoint.release(entry);  // the system maps far more around a stretch than was asked for
  }
  return hash.hex_digest();
}

}  // namespace prunenet
