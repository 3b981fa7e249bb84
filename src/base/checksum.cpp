// Eight lanes, each a chain of steps that are bijections in the state and in the word: what differs in one word alone
// stays different to the end.
#include "base/checksum.h"

#include <array>
#include <bit>
#include <cstring>

namespace prunenet {
namespace {

constexpr size_t kLanes = 8, kBlockBytes = kLanes * 8;
constexpr uint64_t kMultiplier = 0xd6e8feb86659fd93ULL;  // odd, so that multiplying loses nothing

uint64_t word_at(const std::byte* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

uint64_t step(uint64_t state, uint64_t word) {
  return std::rotl((state ^ word) * kMultiplier, 29);
}

uint64_t stirred(uint64_t value) {
  value = (value ^ (value >> 32)) * kMultiplier;
  value = (value ^ (value >> 29)) * kMultiplier;
  return value ^ (value >> 32);
}

}  // namespace

uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed) {
  std::array<uint64_t, kLanes> lanes{};
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = stirred(seed + i + 1);
  size_t at = 0;
  for (; at + kBlockBytes <= bytes.size(); at += kBlockBytes) {
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = step(lanes[i], word_at(bytes.data() + at + 8 * i));
  }
  if (at < bytes.size()) {
    std::array<std::byte, kBlockBytes> rest{};  // filled up with zeros; the length tells them from bytes
    std::memcpy(rest.data(), bytes.data() + at, bytes.size() - at);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = step(lanes[i], word_at(rest.data() + 8 * i));
  }
  uint64_t sum = stirred(static_cast<uint64_t>(bytes.size()) ^ kMultiplier);
  for (const uint64_t lane : lanes) sum = step(sum, lane);
  return stirred(sum);
}

}  // namespace prunenet
