// SHA-256 by nettle.
#include "base/hash.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <array>

namespace prunenet {

struct Sha256::State {
  sha256_ctx context;
};

Sha256::Sha256() : state_(new State) {
  sha256_init(&state_->context);
}
Sha256::~Sha256() {
  delete state_;
}

void Sha256::update(std::span<const std::byte> bytes) {
  sha256_update(&state_->context, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
}

std::string Sha256::hex_digest() {
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest{};
  sha256_digest(&state_->context, digest.size(), digest.data());
  std::string text;
  for (uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace prunenet
