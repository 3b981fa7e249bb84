// The GGUF format, one file: metadata, tensor table (both fully validated) and mapped bytes. Source: the GGUF
// specification of the ggml project, versions 2 and 3, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/gguf_metadata.h"
#include "checkpoint/safetensors.h"

namespace prunenet {

struct GgufHeader {
  uint32_t version = 3;
  uint64_t alignment = 32;
  GgufMetadata metadata;
  std::vector<StoredTensor> tensors;  // in the order of their bytes; shapes row-major (GGUF lists them reversed)
  uint64_t data_offset = 0;           // where the tensors begin: magic, metadata and table lie before it
};

/// Parses and validates. `where` names the file in errors. Throws kFormat: bad magic, a count or length beyond the
/// file, alignment that is zero or no power of two, duplicate keys or tensors, offsets that are misaligned, overlap or
/// leave the file, rows that are no whole blocks, more than 4 dimensions; kUnsupported: another version, big-endian, a
/// tensor type that this program cannot read (named: "IQ2_XS"). Memory: proportional to the file's metadata, whatever
/// it says.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& where);

/// True when the file begins with the magic of GGUF.
bool is_gguf_file(const std::filesystem::path& path);

class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const GgufHeader& header() const { return header_; }
  const GgufMetadata& metadata() const { return header_.metadata; }
  const MappedFile& file() const { return file_; }
  std::span<const std::byte> bytes(const StoredTensor& tensor) const;

 private:
  MappedFile file_;
  GgufHeader header_;
};

/// The number that GGUF gives a type of tensors; nothing for one that it does not have.
std::optional<uint32_t> gguf_tensor_type(Dtype dtype);

}  // namespace prunenet
