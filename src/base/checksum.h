// A fast checksum, against accidents: a file that a power cut left full of zeros, or cut short. No proof against
// intent; that is what hash.h is for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace prunenet {

/// 64 bits of the bytes and of `seed`. Any change within eight aligned bytes changes it; others go unseen once in 2^64.
/// Does not depend on the machine. Cost: about as much as reading the bytes.
uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed = 0);

}  // namespace prunenet
