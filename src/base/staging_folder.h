// The folder `.NAME.prunenet-partial` beside an output, in which the output comes into being: locked while a run is at
// work in it, cleared of what a killed run left, gone when nothing came of it. What OutputFolder and OutputFile share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

namespace prunenet {

class StagingFolder {
 public:
  /// Makes and locks the folder beside `target` (a resolved path), and the folders above it. `check` is called once no
  /// other run can change the target any more; what it throws undoes everything. Throws kExists when another process
  /// writes the target, kIo.
  StagingFolder(const std::filesystem::path& target, const std::function<void()>& check);
  /// Removes the folder with what is in it, unless `release` was called, and folders above that were made in vain.
  ~StagingFolder();
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Throws kNoSpace, naming both numbers, when the file system has less than `needed_bytes` free.
  void require_space(uint64_t needed_bytes) const;
  /// Removes the folder and gives up the lock.
  void discard() noexcept;
  /// Gives up the lock alone: the folder has another name now.
  void release() noexcept;

 private:
  void create_parents();
  void lock();

  std::filesystem::path target_, path_;
  std::vector<std::filesystem::path> created_parents_;  // that were missing, deepest first
  int lock_descriptor_ = -1;
};

/// True when something of that name is there, be it a link to nowhere.
bool is_there(const std::filesystem::path& path);

}  // namespace prunenet
