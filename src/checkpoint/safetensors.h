// The safetensors format, one file: its header (parsed and fully validated) and its mapped bytes.
// Source: the format description of huggingface/safetensors: 8 bytes little-endian header length, a JSON header, raw
// data whose offsets tile it with no gap and no overlap. Folders and shards are in checkpoint.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"

namespace prunenet {

/// Name, type and extents of a stored tensor; says nothing of where its bytes are.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  // row-major; empty for a scalar

  int64_t num_elements() const;
  uint64_t size_bytes() const;
};

/// "F32 [64, 172]"
std::string to_string(const TensorSpec& spec);

struct StoredTensor {
  TensorSpec spec;
  uint64_t offset = 0;  // of its first byte in the file
};

/// What a header says: tensors in the order of their bytes.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  uint64_t header_bytes = 0;  // the 8 bytes of the length and the JSON text
};

/// Largest JSON header accepted, as the format's own implementation has it.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// Parses and validates. `where` names the file in errors. Throws kFormat: truncated, header length beyond the file or
/// the limit, no JSON, unknown keys, duplicate names, shape and bytes that disagree, offsets that overlap, leave a gap
/// or do not end with the file; kUnsupported: an unknown dtype. Memory: proportional to the header, whatever it says.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where);

/// A header's bytes (length, JSON, padded with spaces to a multiple of 8) for tensors stored in this order with no
/// gaps. Throws kUnsupported for a quantised tensor, which the format does not have.
std::string format_safetensors_header(std::span<const TensorSpec> tensors,
                                      const std::map<std::string, std::string>& metadata);

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const SafetensorsHeader& header() const { return header_; }
  const MappedFile& file() const { return file_; }
  /// The bytes of a tensor of this file, in the mapping. Not aligned to more than one byte.
  std::span<const std::byte> bytes(const StoredTensor& tensor) const;

 private:
  MappedFile file_;
  SafetensorsHeader header_;
};

}  // namespace prunenet
