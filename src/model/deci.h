// DeciLM, the layout of NVIDIA's Nemotron-NAS models: a LLaMA whose `block_configs` state the FFN width and the sharing
// of key-value heads of every layer. The arithmetic of its widths, as transformers' remote code, vLLM, SGLang,
// TensorRT-LLM and llama.cpp's converter do it.
#pragma once

#include <cstdint>

namespace prunenet {

/// Widths that the layout can state are multiples of this.
inline constexpr int64_t kDeciWidthMultiple = 256;

/// The FFN width that `ffn_mult` means: int(2 * ffn_mult * hidden / 3), rounded up to a multiple of 256. 0 where that
/// is no width (not finite, not positive, beyond 2^31).
int64_t deci_width(double ffn_mult, int64_t hidden);

/// The ffn_mult of a width that is a multiple of 256, with at most 6 decimals (some programs round it so).
double deci_ffn_mult(int64_t width, int64_t hidden);

}  // namespace prunenet
