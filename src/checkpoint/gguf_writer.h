// Writing a GGUF file as a stream. Memory: the header, whatever the size of the tensors.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/gguf_metadata.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_sink.h"

namespace prunenet {

/// The bytes in front of the data: magic, metadata in their order, and the table of `tensors`, which lie in this order,
/// each aligned as general.alignment says (32 where it is absent). `where` names the file. Throws kUnsupported for a
/// type that GGUF does not have, kFormat for more than 4 dimensions, rows that are no whole blocks, a name that is
/// empty, of more than 63 bytes, or there twice, a key that is empty or of more than kMaxGgufNameBytes, an alignment
/// that is no power of two up to kGgufMaxAlignment.
std::string format_gguf_header(const GgufMetadata& metadata, std::span<const TensorSpec> tensors,
                               const std::string& where);

class GgufWriter final : public TensorSink {
 public:
  /// Creates the file `path` (which must not exist; see OutputFile for the name under which it appears) in version 3
  /// with the header of format_gguf_header, whose errors come before anything is written. Zeros fill the space between
  /// the tensors and after the last one. The disk space for the whole file is taken with the first bytes: until then
  /// the caller may ask whether there is enough.
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata, std::vector<TensorSpec> tensors);
  ~GgufWriter() override;

  uint64_t total_bytes() const override { return total_bytes_; }
  void append(std::span<const std::byte> bytes) override;
  void finish() override;

 private:
  void start();
  void start_next();

  std::filesystem::path path_;
  std::vector<TensorSpec> tensors_;
  uint64_t alignment_ = 32;
  uint64_t total_bytes_ = 0;
  size_t next_ = 0;          // tensor: the one that bytes go to
  uint64_t left_bytes_ = 0;  // of it
  std::string header_;       // empty once it is written
  std::unique_ptr<FileWriter> writer_;
};

}  // namespace prunenet
