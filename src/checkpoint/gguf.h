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

/// What a header may take in memory, all of it together: a vocabulary of a million tokens with its merges takes a
/// third. Strings, values and tensors count with the objects that hold them, so that many empty ones count as well;
/// a number of an array counts 8 bytes, which is what it becomes when it is asked for.
inline constexpr uint64_t kMaxGgufHeaderBytes = 256u << 20;
/// One string: the kept neurons of a pruned model of 70 billion parameters, as text, are a fifth of it.
inline constexpr uint64_t kMaxGgufTextBytes = 64u << 20;
/// A key, as the specification has it; the name of a tensor as well.
inline constexpr uint64_t kMaxGgufNameBytes = 65535;

/// Parses and validates. `where` names the file in errors. Throws kFormat: bad magic, a count or length beyond the
/// file or the limits above, alignment that is no power of two up to kGgufMaxAlignment, duplicate keys or tensors,
/// offsets that are misaligned, overlap or leave the file, rows that are no whole blocks, more than 4 dimensions;
/// kUnsupported: another version, big-endian, a tensor type that this program cannot read (named: "IQ2_XS"). Memory:
/// proportional to the header, at most kMaxGgufHeaderBytes or little more, whatever the file says.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& where);

/// True for a regular file that begins with the magic of GGUF; false for anything else, and for what is not there.
/// Throws kIo for a regular file that cannot be read.
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
