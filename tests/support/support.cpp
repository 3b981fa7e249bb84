// Test support: see support.h.
#include "support/support.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace prunenet::test {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "prunenet-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create a temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

// The modules lie in the build folder, not beside the test programs. What tests run inherits it.
[[maybe_unused]] const int modules_named = ::setenv("PRUNENET_MODULES", PRUNENET_MODULES_DEFAULT, 0);

std::optional<fs::path> shared_data() {
  const char* chosen = std::getenv("PRUNENET_SHARED_DATA");
  const fs::path path = chosen != nullptr ? chosen : PRUNENET_SHARED_DATA_DEFAULT;
  if (!fs::exists(path / "golden" / "llama" / "config.json")) return std::nullopt;
  return fs::canonical(path);
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

std::map<std::string, std::string> folder_contents(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder).string();
    contents[name] = entry.is_regular_file() ? read_bytes(entry.path()) : "(no file)";
  }
  return contents;
}

TestTensor f32_tensor(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
  TestTensor tensor{{name, Dtype::kF32, std::move(shape)}, std::string(values.size() * sizeof(float), '\0')};
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  if (tensor.bytes.size() != tensor.spec.size_bytes()) throw std::logic_error("shape and values disagree: " + name);
  return tensor;
}

std::string safetensors_bytes(const std::vector<TestTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const TestTensor& tensor : tensors) specs.push_back(tensor.spec);
  std::string bytes = format_safetensors_header(specs, {{"format", "pt"}});
  for (const TestTensor& tensor : tensors) bytes += tensor.bytes;
  return bytes;
}

void expect_error(ErrorCode code, const std::vector<std::string>& fragments, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << describe(code);
  } catch (const Error& error) {
    EXPECT_EQ(describe(code), describe(error.code())) << error.what();
    for (const std::string& fragment : fragments) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << "'" << fragment << "' is not in: " << error.what();
    }
  }
}

}  // namespace prunenet::test
