// Files: mapping, reading, writing.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

// Opens a regular file for reading; anything else (folder, device, pipe) could block or never end.
int open_regular(const fs::path& path, struct stat& status) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT) fail(ErrorCode::kNotFound, path.string(), "no such file");
    fail_errno(path.string(), "open");
  }
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    fail(ErrorCode::kFormat, path.string(), "not a regular file");
  }
  return descriptor;
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  struct stat status {};
  const int descriptor = open_regular(path, status);
  size_bytes_ = static_cast<size_t>(status.st_size);
  if (size_bytes_ > 0) {
    void* address = ::mmap(nullptr, size_bytes_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) {
      ::close(descriptor);
      fail_errno(path.string(), "map");
    }
    data_ = static_cast<const std::byte*>(address);
  }
  ::close(descriptor);
}

void MappedFile::unmap() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
  data_ = nullptr;
}

MappedFile::~MappedFile() {
  unmap();
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
  }
  return *this;
}

void MappedFile::release(uint64_t offset, uint64_t size) const {
  if (data_ == nullptr) return;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = (offset + page - 1) / page * page;
  const uint64_t end = std::min<uint64_t>(offset + size, size_bytes_) / page * page;
  if (begin < end) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

// Populating reads as a touch of every page would, but gives an error where that would be a signal. MADV_WILLNEED was
// no help: of each call the kernel reads no more than the read-ahead of the device, and into single pages, which took
// longer to map than large ones take to read.
void bring_into_memory(std::span<const std::byte> piece) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(piece.data());
  const uintptr_t begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address + piece.size() - begin, MADV_POPULATE_READ);
}

std::string read_text_file(const fs::path& path, uint64_t limit_bytes) {
  struct stat status {};
  const int descriptor = open_regular(path, status);
  if (static_cast<uint64_t>(status.st_size) > limit_bytes) {
    ::close(descriptor);
    fail(ErrorCode::kFormat, path.string(), "{} bytes, but at most {} are expected here", status.st_size, limit_bytes);
  }
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::read(descriptor, text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      ::close(descriptor);
      errno = error;
      fail_errno(path.string(), "read");
    }
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  ::close(descriptor);
  text.resize(filled);
  return text;
}

FileWriter::FileWriter(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ >= 0) return;
  if (errno == EEXIST) fail(ErrorCode::kExists, path_.string(), "exists already");
  fail_errno(path_.string(), "create");
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      fail_errno(path_.string(), "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void FileWriter::append(std::string_view text) {
  append(std::as_bytes(std::span(text)));
}

void FileWriter::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_errno(path_.string(), "close");
}

fs::path partial_path(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + ".prunenet-partial");
}

void write_file_atomically(const fs::path& path, std::string_view text, bool overwrite) {
  std::error_code ignored;
  if (!overwrite && fs::exists(fs::symlink_status(path, ignored))) {
    fail(ErrorCode::kExists, path.string(), "exists already; --force overwrites it");
  }
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    fail(ErrorCode::kExists, path.string(), "is no regular file; nothing else is overwritten");
  }
  const fs::path partial = partial_path(path);
  fs::remove(partial, ignored);  // left by a run that was killed
  try {
    FileWriter writer(partial);
    writer.append(text);
    writer.close();
    if (::rename(partial.c_str(), path.c_str()) != 0) fail_errno(path.string(), "rename into place");
  } catch (...) {
    fs::remove(partial, ignored);
    throw;
  }
}

fs::path resolved_path(const fs::path& path) {
  std::error_code error;
  fs::path resolved = fs::absolute(path, error);
  if (!error) resolved = fs::weakly_canonical(resolved, error);
  if (error) fail(ErrorCode::kIo, path.string(), "cannot resolve the path: {}", error.message());
  if (!resolved.has_filename()) resolved = resolved.parent_path();  // "folder/" and "folder" are one
  return resolved;
}

bool is_within(const fs::path& inner, const fs::path& outer) {
  const auto [end, ignored] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end();
}

}  // namespace prunenet
