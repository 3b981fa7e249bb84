// Writing a checkpoint's weights as a stream: shards, their headers, the index. Memory: one buffer, whatever the size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_sink.h"

namespace prunenet {

inline constexpr uint64_t kDefaultMaxShardBytes = 5'000'000'000;

class CheckpointWriter final : public TensorSink {
 public:
  /// Plans the files of `folder` for `tensors` in this order: `model.safetensors`, or, beyond `max_shard_bytes` of
  /// tensor data, `model-00001-of-0000N.safetensors` and an index. A tensor is never split: one larger than the limit
  /// gets a shard of its own. `metadata` goes into every header, with "format": "pt" added, which transformers expects.
  /// A file is made, and its disk space taken, with its first bytes: until then the caller may ask whether there is
  /// enough.
  CheckpointWriter(std::filesystem::path folder, std::vector<TensorSpec> tensors,
                   std::map<std::string, std::string> metadata, uint64_t max_shard_bytes = kDefaultMaxShardBytes);
  ~CheckpointWriter() override;

  /// Bytes of all weight files, headers included.
  uint64_t total_bytes() const override { return total_bytes_; }

  /// Appends to the tensor that is next in order; a tensor may come in pieces. More bytes than planned is a defect.
  void append(std::span<const std::byte> bytes) override;
  /// Closes the last shard and writes the index. Fewer bytes than planned is a defect.
  void finish() override;

 private:
  struct Shard {
    std::string name;
    size_t first = 0, count = 0;  // of tensors_
    std::string header;
    uint64_t data_bytes = 0;
  };
  void open_next_shard();
  void write_index() const;

  std::filesystem::path folder_;
  std::vector<TensorSpec> tensors_;
  std::vector<Shard> shards_;
  uint64_t total_bytes_ = 0;
  size_t next_shard_ = 0;
  uint64_t left_bytes_ = 0;  // still to come for the open shard
  std::unique_ptr<FileWriter> writer_;
};

}  // namespace prunenet
