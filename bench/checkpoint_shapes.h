// The layer shapes of real models: which tensors a checkpoint of each has, and its config.json. No weights here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"

namespace prunenet {

enum class ShapeFamily { kLlama, kPhi, kOpt };

struct CheckpointShape {
  std::string_view name;  // as --shape takes it
  ShapeFamily family;
  int64_t hidden, ffn, heads, kv_heads, positions;
};

/// Every shape that --shape takes.
std::span<const CheckpointShape> checkpoint_shapes();

/// How much of a checkpoint to make.
struct CheckpointSize {
  int64_t layers = 2;
  int64_t vocab = 1024;
  Dtype dtype = Dtype::kBf16;
};

enum class TensorRole { kMatrix, kNormWeight, kBias };

struct PlannedTensor {
  TensorSpec spec;
  TensorRole role;
  // Address of its random numbers. Layer 0 is the model as a whole, l + 1 layer l: so a layer has the same weights
  // however many layers are made.
  uint32_t layer, slot;
};

/// Every tensor that the model class of transformers expects, under its names, in the order to store them.
std::vector<PlannedTensor> plan_tensors(const CheckpointShape& shape, const CheckpointSize& size);

/// A config.json that transformers accepts for those tensors.
std::string config_json(const CheckpointShape& shape, const CheckpointSize& size);

}  // namespace prunenet
