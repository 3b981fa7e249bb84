// Blocks of quantised numbers as the ggml project defines them: some elements that share scales, in a fixed number of
// bytes. dtype.h is the door for those who want numbers; here are the layouts.
//
// clang-format off
//   type  elements  bytes  layout (f16 little-endian)                                value of an element
//   Q4_0      32      18   d f16, 16 bytes of nibbles                                (q - 8) d
//   Q4_1      32      20   d f16, m f16, 16 bytes of nibbles                         q d + m
//   Q5_0      32      22   d f16, 32 fifth bits, 16 bytes of nibbles                 (q - 16) d
//   Q5_1      32      24   d f16, m f16, 32 fifth bits, 16 bytes of nibbles          q d + m
//   Q8_0      32      34   d f16, 32 bytes                                           q d
//   Q4_K     256     144   d f16, m f16, 8 scales and 8 minima of 6 bits, nibbles    (d scale) q - m min
//   Q5_K     256     176   d f16, m f16, 8 scales and 8 minima of 6 bits,
//                          32 bytes of fifth bits, nibbles                           (d scale) q - m min
//   Q6_K     256     210   128 bytes of low nibbles, 64 of upper two bits,
//                          16 scales of 8 bits, d f16                                (d scale) (q - 32)
// clang-format on
#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"

namespace prunenet {

/// Decodes `blocks` blocks of a quantised type: the same f32 operations in the same order as ggml's reference, hence
/// the same bits. `source` needs no alignment.
void decode_blocks(const std::byte* source, Dtype dtype, size_t blocks, float* destination);

/// Encodes `blocks` times 32 numbers as Q8_0: to the bit what ggml's reference quantiser writes. False when a number is
/// not finite or a block's scale is beyond the range of f16; `destination` then holds nothing of use.
bool encode_q8_0(const float* values, size_t blocks, std::byte* destination);

/// The worst of the f16 scales of whole blocks.
Finiteness worst_scale(std::span<const std::byte> bytes, Dtype dtype);

}  // namespace prunenet
