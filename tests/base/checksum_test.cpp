// The checksum: it tells apart what an accident makes of a file, and says the same on every machine.
#include "base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace prunenet {
namespace {

std::vector<std::byte> bytes_of(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(7 + 31 * i + i / 251);
  return bytes;
}

TEST(Checksum, DiffersForEveryLengthAndSeed) {
  std::set<uint64_t> seen;
  for (size_t size = 0; size < 300; ++size) {
    seen.insert(checksum(bytes_of(size)));
    seen.insert(checksum(std::vector<std::byte>(size)));  // zeros: a file that a power cut left
    seen.insert(checksum(bytes_of(size), 1));
  }
  EXPECT_EQ(seen.size(), 3 * 300 - 1U) << "no bytes are no bytes, zeros or not";
}

TEST(Checksum, SeesEveryChangedBit) {
  std::vector<std::byte> bytes = bytes_of(203);
  const uint64_t sum = checksum(bytes);
  for (std::byte& byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      byte ^= std::byte{1} << bit;
      EXPECT_NE(checksum(bytes), sum);
      byte ^= std::byte{1} << bit;
    }
  }
  EXPECT_EQ(checksum(bytes), sum);
}

TEST(Checksum, SeesBlocksThatChangedPlaces) {
  std::vector<std::byte> bytes = bytes_of(4096);
  const uint64_t sum = checksum(bytes);
  for (const size_t block : {8, 64, 512}) {
    std::vector<std::byte> swapped = bytes;
    std::swap_ranges(swapped.begin(), swapped.begin() + static_cast<int64_t>(block),
                     swapped.begin() + static_cast<int64_t>(2 * block));
    EXPECT_NE(checksum(swapped), sum) << block;
  }
}

// A journal may be read by a later build.
TEST(Checksum, StaysWhatItIs) {
  EXPECT_EQ(checksum({}), 0x7e48ea4a1d0c2de0U);
  EXPECT_EQ(checksum(bytes_of(1000), 5), 0x8467e3a857365226U);
}

}  // namespace
}  // namespace prunenet
