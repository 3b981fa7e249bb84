// A large file that appears whole or not at all: written under a temporary name beside its place and renamed. What
// OutputFolder is for folders; see there for runs that are killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace prunenet {

class OutputFile {
 public:
  /// Prepares `target`. Throws kExists when it exists and `overwrite` is false, when it is no regular file or not one
  /// that may be replaced (`is_ours` of its path is false), or when another process is writing it; kIo when its folder
  /// cannot be written. Missing folders are made, and removed again where nothing came of it.
  OutputFile(const std::filesystem::path& target, bool overwrite,
             const std::function<bool(const std::filesystem::path&)>& is_ours);
  /// Removes what was written unless `commit` was called.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// The file to create and write: nothing of that name is there.
  const std::filesystem::path& staging() const { return staging_; }
  /// Throws kNoSpace, naming both numbers, when the file system has less than `needed_bytes` free.
  void require_space(uint64_t needed_bytes) const;
  /// Puts the file in its place in one step.
  void commit();

 private:
  std::filesystem::path target_, staging_;
  bool overwrite_ = false, done_ = false;
};

}  // namespace prunenet
