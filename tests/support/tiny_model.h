// A tiny but valid LLaMA checkpoint made on the spot, to be spoilt in one place by the tests of ugly inputs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/support.h"

namespace prunenet::test {

struct TinySizes {
  int64_t hidden = 8, width = 12, layers = 2, vocab = 16;
};

struct TinyModel {
  nlohmann::ordered_json config;
  std::vector<TestTensor> tensors;  // in the order in which they are stored

  /// The tensor of that name; throws where there is none.
  TestTensor& tensor(const std::string& name);
  void remove(const std::string& name);
  /// Overwrites one value of an F32 tensor.
  void set(const std::string& name, size_t element, float value);

  /// Writes config.json, model.safetensors and a tokenizer.json into the new folder.
  void write(const std::filesystem::path& folder) const;
  /// The same in two shards with an index.
  void write_sharded(const std::filesystem::path& folder) const;
};

/// Weights are uniform in [-1, 1) and depend on the seed alone.
TinyModel tiny_model(uint64_t seed = 1, const TinySizes& sizes = {});

/// The name of an FFN matrix (gate, up, down): "model.layers.0.mlp.gate_proj.weight".
std::string tiny_ffn_tensor(int64_t layer, const std::string& matrix);

/// A checkpoint of the same kind, of any size, whose weights are all zero and take no disk.
void write_hollow_model(const std::filesystem::path& folder, const TinySizes& sizes);

}  // namespace prunenet::test
