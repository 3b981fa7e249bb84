// GGUF files as llama.cpp's converter would make them of Hugging Face folders: a second, plain conversion, written
// apart from src/ after that converter, which exists to disagree where src/ is wrong about a name, an order or a key.
// It trusts its input.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/gguf_metadata.h"
#include "plain_forward.h"
#include "support/support.h"

namespace prunenet::test {

struct GgufModel {
  GgufMetadata metadata;
  std::vector<TestTensor> tensors;

  TestTensor& tensor(const std::string& name);
  /// Stores every matrix of the layers, the embedding and the head as `dtype` (F16, BF16 or Q8_0; F16 where rows are no
  /// whole blocks).
  void store_matrices_as(Dtype dtype);
  /// Stores every tensor as the f32 numbers that it holds now.
  void decode();
  void write(const std::filesystem::path& path) const;
};

/// The model of a config.json and its tensors, in f32. Throws std::invalid_argument where llama.cpp has no architecture
/// for it that this conversion knows.
GgufModel gguf_of(const nlohmann::json& config, const PlainTensors& tensors);
/// Likewise of a folder.
GgufModel gguf_of(const std::filesystem::path& folder);

}  // namespace prunenet::test
