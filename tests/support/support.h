// What tests share: temporary folders, the shared data, small checkpoints made on the spot.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"

namespace prunenet::test {

/// A folder that is gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// The shared test data (PRUNENET_SHARED_DATA, or shared/data beside the repository), or nothing.
std::optional<std::filesystem::path> shared_data();

std::string read_bytes(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, const std::string& bytes);

/// Every file below a folder with its bytes: for "nothing changed" and "the same bytes".
std::map<std::string, std::string> folder_contents(const std::filesystem::path& folder);

struct TestTensor {
  TensorSpec spec;
  std::string bytes;
};
/// An F32 tensor of the given values.
TestTensor f32_tensor(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values);
/// The bytes of a safetensors file of these tensors.
std::string safetensors_bytes(const std::vector<TestTensor>& tensors);

/// Expects an Error of that code whose text holds every fragment.
void expect_error(ErrorCode code, const std::vector<std::string>& fragments, const std::function<void()>& action);

}  // namespace prunenet::test

/// Skips the test with a clear word where the shared data is missing; else `name` is its path.
#define PRUNENET_REQUIRE_SHARED_DATA(name)                                                                       \
  const auto name##_found = ::prunenet::test::shared_data();                                                     \
  if (!name##_found) GTEST_SKIP() << "the shared test data is not here (set PRUNENET_SHARED_DATA to its folder)"; \
  const std::filesystem::path name = *name##_found
