// Files: read-only mappings, whole small files, and writers that leave either a whole file or none.
// Folders are in output_folder.h. Every failure names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace prunenet {

/// A whole file mapped read-only. Pages come in when touched; `release` lets them go again, so that a walk over a file
/// larger than memory stays small.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws kNotFound, kIo, or kFormat for what is not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  uint64_t size_bytes() const { return size_bytes_; }
  const std::filesystem::path& path() const { return path_; }

  /// Tells the kernel that the pages wholly inside [offset, offset + size) are not needed for now. They stay readable.
  void release(uint64_t offset, uint64_t size) const;

 private:
  void unmap() noexcept;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
};

/// Brings the pages of a mapping that `piece` touches into memory and maps them; returns when they are there. Only a
/// hint: what cannot be read is left to whoever touches it, and before Linux 5.14 nothing is done.
void bring_into_memory(std::span<const std::byte> piece);

/// A whole small file as text. Throws kFormat when it is larger than `limit_bytes`.
std::string read_text_file(const std::filesystem::path& path, uint64_t limit_bytes);

/// A file being written from its start to its end. Not atomic by itself: see write_file_atomically and
/// OutputFolder.
class FileWriter {
 public:
  /// Creates the file; throws kExists when something of that name is there.
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Appends all bytes or throws: kNoSpace when the disk is full.
  void append(std::span<const std::byte> bytes);
  void append(std::string_view text);
  /// Closes and reports what only closing tells (network file systems, quotas).
  void close();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Writes `text` to `path` through a temporary beside it: the old file stays until the new one is whole.
/// Throws kExists when something of that name exists and `overwrite` is false, and for what is no regular file.
void write_file_atomically(const std::filesystem::path& path, std::string_view text, bool overwrite);

/// A name beside `path` for what is not whole yet: `.NAME.prunenet-partial`.
std::filesystem::path partial_path(const std::filesystem::path& path);

/// Absolute, without `.` and `..` and with the symlinks of its existing part resolved. Throws kIo.
std::filesystem::path resolved_path(const std::filesystem::path& path);

/// True when `inner` is `outer` or lies below it. Both must be resolved.
bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer);

}  // namespace prunenet
