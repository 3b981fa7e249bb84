// A mapped safetensors file.
#include "checkpoint/safetensors.h"

namespace prunenet {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), header_(parse_safetensors_header(file_.bytes(), path.string())) {}

std::span<const std::byte> SafetensorsFile::bytes(const StoredTensor& tensor) const {
  return file_.bytes().subspan(tensor.offset, tensor.spec.size_bytes());
}

}  // namespace prunenet
