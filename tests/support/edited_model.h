// A stored model in memory, config and tensors, to be changed in some places and written again: variants of the goldens
// that no shared file holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/support.h"

namespace prunenet::test {

struct EditedModel {
  nlohmann::ordered_json config;
  std::vector<TestTensor> tensors;  // in the order in which they are stored

  /// The tensor of that name; throws std::out_of_range where there is none.
  TestTensor& tensor(const std::string& name);
  void remove(const std::string& name);
  /// Adds (or replaces) an F32 tensor of small numbers around 0, which depend on the name alone.
  void put_random(const std::string& name, std::vector<int64_t> shape, float largest = 0.1f);
  /// Keeps the first rows of a matrix (or elements of a vector), or the first columns.
  void keep_rows(const std::string& name, int64_t rows);
  void keep_cols(const std::string& name, int64_t cols);

  /// config.json and model.safetensors in the new folder.
  void write(const std::filesystem::path& folder) const;
};

/// The model of a folder.
EditedModel read_model(const std::filesystem::path& folder);

}  // namespace prunenet::test
