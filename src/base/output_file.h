// A large file that appears whole or not at all: written in a folder of its own beside its place and renamed. What
// OutputFolder is for folders; see there for runs that are killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/staging_folder.h"

namespace prunenet {

class OutputFile {
 public:
  /// Says of a file that exists whether it is one that may be replaced: of the kind that is being written. It need not
  /// tell who wrote it: any GGUF file may be replaced by another.
  using IsOurs = std::function<bool(const std::filesystem::path&)>;

  /// Prepares `target`. Throws kExists when it exists and `overwrite` is false, when it is no regular file or not one
  /// that may be replaced (`is_ours` of its path is false), or when another process is writing it; kIo when its folder
  /// cannot be written. Missing folders are made, and removed again where nothing came of it.
  OutputFile(const std::filesystem::path& target, bool overwrite, IsOurs is_ours);
  /// Removes what was written unless `commit` was called.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// The file to create and write: nothing of that name is there.
  const std::filesystem::path& staging() const { return file_; }
  /// Throws kNoSpace, naming both numbers, when the file system has less than `needed_bytes` free.
  void require_space(uint64_t needed_bytes) const { staging_->require_space(needed_bytes); }
  /// Puts the file in its place in one step. Throws kExists for what appeared there meanwhile and may not be replaced.
  void commit();

 private:
  void check_target(bool overwrite);
  void require_replaceable() const;

  std::filesystem::path target_;
  IsOurs is_ours_;
  std::unique_ptr<StagingFolder> staging_;
  std::filesystem::path file_;
  bool replaces_ = false;
};

}  // namespace prunenet
