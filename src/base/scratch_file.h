// Results that wait for their place: a nameless file beside the output, which is gone with the process, whatever ends
// it. For what is too large to keep in memory, a layer at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result_store.h"

namespace prunenet {

/// `folder`, or the nearest of its parents that exists: where scratch files go. An empty path is the current folder.
std::filesystem::path nearest_folder(std::filesystem::path folder);

class ScratchFile final : public ResultStore {
 public:
  /// In `folder`, or in its nearest existing parent. Nothing is made before the first `put`.
  explicit ScratchFile(std::filesystem::path folder);
  ~ScratchFile() override;
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// Writes the bytes and gives them back as a mapping that lives as long as this object. Its pages may leave memory.
  /// Throws kNoSpace, kIo.
  std::span<const std::byte> put(std::span<const std::byte> bytes);

  /// Under a name: known as long as this object lives. What is replaced or removed is unmapped, and gives its room on
  /// the disk back where the file system can.
  std::optional<std::span<const std::byte>> find(const std::string& name) const override;
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override;
  void remove(const std::string& name) override;
  void remove_all(const std::string& prefix) override;

  const std::filesystem::path& folder() const { return folder_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  struct Stored {
    std::span<const std::byte> bytes;  // a mapping; none where they are empty
    uint64_t offset = 0;               // in the file
  };
  void open();
  Stored write(std::span<const std::byte> bytes);
  void give_back(const Stored& stored) const;

  std::filesystem::path folder_;
  int descriptor_ = -1;
  uint64_t size_bytes_ = 0;
  std::vector<Stored> nameless_;
  std::map<std::string, Stored> names_;
};

}  // namespace prunenet
