// A folder that appears whole or not at all: it is filled under a temporary name beside its place and renamed.
// A run that is killed leaves the temporary; the next run for the same place recognises it by its lock and removes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/staging_folder.h"

namespace prunenet {

class OutputFolder {
 public:
  /// Prepares `target`. Throws kExists when it exists and `overwrite` is false, when it is something other than a
  /// folder of its kind (it lacks the file `marker`, which every one has), or when another process is writing it; kIo
  /// when its parent cannot be written.
  OutputFolder(const std::filesystem::path& target, bool overwrite, std::string marker = "config.json");
  /// Removes everything that was written unless `commit` was called.
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write: files here become files of the target.
  const std::filesystem::path& staging() const { return staging_->path(); }

  /// Throws kNoSpace, naming both numbers, when the file system has less than `needed_bytes` free.
  void require_space(uint64_t needed_bytes) const { staging_->require_space(needed_bytes); }

  /// Puts the folder in its place, replacing a former one in a single step where the file system can. Throws kExists
  /// for what appeared there meanwhile and may not be replaced.
  void commit();

 private:
  void check_target(bool overwrite);
  void rename_into_place();

  std::filesystem::path target_;
  std::string marker_;
  std::unique_ptr<StagingFolder> staging_;
  bool replaces_ = false;
};

}  // namespace prunenet
