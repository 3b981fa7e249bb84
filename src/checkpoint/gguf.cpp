// A mapped GGUF file.
#include "checkpoint/gguf.h"

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "base/error.h"
#include "checkpoint/gguf_types.h"

namespace prunenet {

bool is_gguf_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;  // a pipe would block
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_errno(path.string(), "open");
  std::array<char, 4> magic{};
  return file.read(magic.data(), magic.size()) && std::string_view(magic.data(), magic.size()) == kGgufMagic;
}

GgufFile::GgufFile(const std::filesystem::path& path)
    : file_(path), header_(parse_gguf_header(file_.bytes(), path.string())) {}

std::span<const std::byte> GgufFile::bytes(const StoredTensor& tensor) const {
  return file_.bytes().subspan(tensor.offset, tensor.spec.size_bytes());
}

}  // namespace prunenet
