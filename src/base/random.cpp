// Philox4x32-10 and the distributions drawn from it.
#include "base/random.h"

#include <cmath>

namespace prunenet {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    const uint64_t left = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t right = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(right >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(right),
               static_cast<uint32_t>(left >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(left)};
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, RandomStage stage, uint32_t layer, uint32_t step)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, static_cast<uint32_t>(stage), layer, step} {}

uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

double RandomStream::next_open() {
  const uint64_t high = next_u32();
  const uint64_t bits = (high << 20) | (next_u32() >> 12);
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

double RandomStream::next_uniform(double low, double high) {
  return low + (high - low) * next_open();
}

double RandomStream::next_logistic() {
  const double e = next_open();
  return std::log(e) - std::log1p(-e);
}

double RandomStream::next_gumbel() {
  return -std::log(-std::log(next_open()));
}

}  // namespace prunenet
