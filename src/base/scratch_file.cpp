// The nameless file: O_TMPFILE where the file system has it, else a file that is unlinked at once.
#include "base/scratch_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/error.h"

namespace prunenet {
namespace {
constexpr uint64_t kPage = 65536;  // mappings begin at a page of any machine
}

std::filesystem::path nearest_folder(std::filesystem::path folder) {
  std::error_code error;
  if (folder.empty()) folder = ".";
  while (!std::filesystem::is_directory(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
    if (folder.empty()) folder = ".";
  }
  return folder;
}

ScratchFile::ScratchFile(std::filesystem::path folder) : folder_(nearest_folder(std::move(folder))) {}

ScratchFile::~ScratchFile() {
  for (const auto mapping : mappings_) ::munmap(const_cast<std::byte*>(mapping.data()), mapping.size());
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ScratchFile::open() {
  descriptor_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor_ >= 0) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
    fail_errno(folder_.string(), "cannot make a scratch file");
  std::string name = (folder_ / ".prunenet-scratch-XXXXXX").string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail_errno(folder_.string(), "cannot make a scratch file");
  ::unlink(name.c_str());
}

std::span<const std::byte> ScratchFile::put(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (descriptor_ < 0) open();
  const uint64_t offset = (size_bytes_ + kPage - 1) / kPage * kPage;
  for (size_t done = 0; done < bytes.size();) {
    const size_t part = std::min<size_t>(bytes.size() - done, size_t{1} << 30);
    const ssize_t count = ::pwrite(descriptor_, bytes.data() + done, part, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(folder_.string(), "cannot write a scratch file");
    if (count == 0) fail(ErrorCode::kNoSpace, folder_.string(), "no room for a scratch file");
    done += static_cast<size_t>(count);
  }
  void* address = ::mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, descriptor_, static_cast<off_t>(offset));
  if (address == MAP_FAILED) fail_errno(folder_.string(), "cannot map a scratch file");
  size_bytes_ = offset + bytes.size();
  mappings_.emplace_back(static_cast<const std::byte*>(address), bytes.size());
  return mappings_.back();
}

std::optional<std::span<const std::byte>> ScratchFile::find(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second.bytes;
}

std::span<const std::byte> ScratchFile::put(const std::string& name, std::span<const std::byte> bytes) {
  const auto stored = put(bytes);
  give_back(name);
  names_[name] = {stored, size_bytes_ - stored.size()};
  return stored;
}

void ScratchFile::remove(const std::string& name) {
  give_back(name);
  names_.erase(name);
}

void ScratchFile::give_back(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end() || found->second.bytes.empty()) return;
  ::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(found->second.offset),
              static_cast<off_t>(found->second.bytes.size()));
}

}  // namespace prunenet
