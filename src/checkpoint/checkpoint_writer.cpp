// CheckpointWriter: the plan of the shards, the stream, the index.
#include "checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/reserve.h"

namespace prunenet {

CheckpointWriter::CheckpointWriter(std::filesystem::path folder, std::vector<TensorSpec> tensors,
                                   std::map<std::string, std::string> metadata, uint64_t max_shard_bytes)
    : folder_(std::move(folder)), tensors_(std::move(tensors)) {
  metadata.try_emplace("format", "pt");
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const uint64_t size = tensors_[i].size_bytes();
    if (shards_.empty() || (shards_.back().count > 0 && shards_.back().data_bytes + size > max_shard_bytes)) {
      shards_.push_back({"", i, 0, "", 0});
    }
    ++shards_.back().count;
    shards_.back().data_bytes += size;
  }
  if (shards_.empty()) shards_.push_back({});
  for (size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = shards_[i];
    shard.name = shards_.size() == 1 ? "model.safetensors"
                                     : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
    shard.header = format_safetensors_header(std::span(tensors_).subspan(shard.first, shard.count), metadata);
    total_bytes_ += shard.header.size() + shard.data_bytes;
  }
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::open_next_shard() {
  if (writer_) writer_->close();
  const Shard& shard = shards_[next_shard_++];
  writer_ = std::make_unique<FileWriter>(folder_ / shard.name);
  reserve_file(folder_ / shard.name, shard.header.size() + shard.data_bytes);
  writer_->append(shard.header);
  left_bytes_ = shard.data_bytes;
}

void CheckpointWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (left_bytes_ == 0) {
      PRUNENET_CHECK(next_shard_ < shards_.size());
      open_next_shard();
    }
    const auto part = bytes.first(static_cast<size_t>(std::min<uint64_t>(left_bytes_, bytes.size())));
    writer_->append(part);
    left_bytes_ -= part.size();
    bytes = bytes.subspan(part.size());
  }
}

void CheckpointWriter::finish() {
  while (left_bytes_ == 0 && next_shard_ < shards_.size()) open_next_shard();
  PRUNENET_CHECK(left_bytes_ == 0 && next_shard_ == shards_.size());
  writer_->close();
  if (shards_.size() > 1) write_index();
}

void CheckpointWriter::write_index() const {
  uint64_t total = 0;
  std::map<std::string, std::string> weight_map;
  for (const Shard& shard : shards_) {
    total += shard.data_bytes;
    for (size_t i = 0; i < shard.count; ++i) weight_map[tensors_[shard.first + i].name] = shard.name;
  }
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total;
  index["weight_map"] = weight_map;
  FileWriter writer(folder_ / "model.safetensors.index.json");
  writer.append(index.dump(2) + "\n");
  writer.close();
}

}  // namespace prunenet
