// See edited_model.h.
#include "support/edited_model.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

namespace prunenet::test {
namespace fs = std::filesystem;

TestTensor& EditedModel::tensor(const std::string& name) {
  for (TestTensor& tensor : tensors) {
    if (tensor.spec.name == name) return tensor;
  }
  throw std::out_of_range(name);
}

void EditedModel::remove(const std::string& name) {
  const auto removed = std::erase_if(tensors, [&](const TestTensor& tensor) { return tensor.spec.name == name; });
  if (removed == 0) throw std::out_of_range(name);
}

void EditedModel::put_random(const std::string& name, std::vector<int64_t> shape, float largest) {
  const auto count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::seed_seq seed(name.begin(), name.end());
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  // Of integers, so that every library gives the same.
  for (float& value : values) value = (static_cast<float>(random() % 20001) / 10000 - 1) * largest;
  std::erase_if(tensors, [&](const TestTensor& tensor) { return tensor.spec.name == name; });
  tensors.push_back(f32_tensor(name, std::move(shape), values));
}

void EditedModel::keep_rows(const std::string& name, int64_t rows) {
  TestTensor& changed = tensor(name);
  const size_t row_bytes = changed.bytes.size() / static_cast<size_t>(changed.spec.shape.at(0));
  changed.spec.shape[0] = rows;
  changed.bytes.resize(static_cast<size_t>(rows) * row_bytes);
}

void EditedModel::keep_cols(const std::string& name, int64_t cols) {
  TestTensor& changed = tensor(name);
  const auto rows = static_cast<size_t>(changed.spec.shape.at(0));
  const size_t row_bytes = changed.bytes.size() / rows;
  const size_t kept = row_bytes / static_cast<size_t>(changed.spec.shape.at(1)) * static_cast<size_t>(cols);
  std::string bytes;
  for (size_t row = 0; row < rows; ++row) bytes += changed.bytes.substr(row * row_bytes, kept);
  changed.spec.shape[1] = cols;
  changed.bytes = bytes;
}

void EditedModel::write(const fs::path& folder) const {
  fs::create_directories(folder);
  write_bytes(folder / "config.json", config.dump(2));
  write_bytes(folder / "model.safetensors", safetensors_bytes(tensors));
}

EditedModel read_model(const fs::path& folder) {
  const Checkpoint checkpoint(folder);
  EditedModel model{nlohmann::ordered_json::parse(checkpoint.config_text()), {}};
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const auto bytes = checkpoint.bytes(entry);
    model.tensors.push_back(
        {entry.stored.spec, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  }
  return model;
}

}  // namespace prunenet::test
