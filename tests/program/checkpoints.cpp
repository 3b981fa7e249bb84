// Tensors by name.
#include "program/checkpoints.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/support.h"

namespace prunenet::test {

std::map<std::string, TensorValue> tensors_of(const std::filesystem::path& folder) {
  const Checkpoint checkpoint(folder);
  std::map<std::string, TensorValue> tensors;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const auto bytes = checkpoint.bytes(entry);
    tensors[entry.stored.spec.name] = {entry.stored.spec, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
  }
  return tensors;
}

TensorValue keep_indices(const TensorValue& tensor, size_t axis, const std::vector<int64_t>& indices) {
  size_t outer = 1, inner = dtype_size_bytes(tensor.spec.dtype);
  for (size_t d = 0; d < axis; ++d) outer *= static_cast<size_t>(tensor.spec.shape[d]);
  for (size_t d = axis + 1; d < tensor.spec.shape.size(); ++d) inner *= static_cast<size_t>(tensor.spec.shape[d]);
  const auto extent = static_cast<size_t>(tensor.spec.shape[axis]);
  TensorValue kept{tensor.spec, ""};
  kept.spec.shape[axis] = static_cast<int64_t>(indices.size());
  for (size_t o = 0; o < outer; ++o) {
    for (int64_t index : indices)
      kept.bytes += tensor.bytes.substr((o * extent + static_cast<size_t>(index)) * inner, inner);
  }
  return kept;
}

Rows kept_rows_of(const std::filesystem::path& folder) {
  Rows rows;
  const auto json = nlohmann::json::parse(read_bytes(folder / "prunenet.json"));
  for (const auto& layer : json.at("layers")) {
    EXPECT_EQ(layer.at("index"), rows.size());
    rows.push_back(layer.at("kept_rows").get<std::vector<int64_t>>());
  }
  return rows;
}

std::string mask_text(const Rows& rows) {
  nlohmann::json mask;
  for (size_t layer = 0; layer < rows.size(); ++layer)
    mask["layers"].push_back({{"index", layer}, {"keep", rows[layer]}});
  return mask.dump();
}

void expect_same_tensors(const std::map<std::string, TensorValue>& expected,
                         const std::map<std::string, TensorValue>& found) {
  for (const auto& [name, value] : found) EXPECT_TRUE(expected.contains(name)) << "unexpected tensor " << name;
  for (const auto& [name, value] : expected) {
    const auto place = found.find(name);
    if (place == found.end()) {
      ADD_FAILURE() << "missing tensor " << name;
    } else {
      EXPECT_TRUE(place->second == value)
          << name << ": expected " << to_string(value.spec) << ", found " << to_string(place->second.spec)
          << (place->second.spec.shape == value.spec.shape ? " with other values" : "");
    }
  }
}

}  // namespace prunenet::test
