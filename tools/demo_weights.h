// The demo model: its shape and its weights. The weights are the same bytes on every machine and with every compiler:
// they come from integers and from + - * / sqrt of doubles, in a fixed order.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/safetensors.h"

namespace prunenet {

struct DemoShape {
  int64_t hidden = 128;
  int64_t ffn = 512;
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t vocab = 259;  // 3 special tokens and the 256 bytes
  int64_t positions = 512;
};
inline constexpr DemoShape kDemoShape;

struct DemoTensor {
  TensorSpec spec;
  std::vector<uint16_t> bits;  // bf16, row-major
};

/// Every tensor of the model, in the order in which they are stored. About 2 MB; takes about 0.2 s.
std::vector<DemoTensor> demo_weights(uint64_t seed);

}  // namespace prunenet
