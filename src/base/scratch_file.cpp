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

void unmap(std::span<const std::byte> mapping) {
  if (!mapping.empty()) ::munmap(const_cast<std::byte*>(mapping.data()), mapping.size());
}

}  // namespace

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
  for (const Stored& stored : nameless_) unmap(stored.bytes);
  for (const auto& [name, stored] : names_) unmap(stored.bytes);
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

ScratchFile::Stored ScratchFile::write(std::span<const std::byte> bytes) {
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
  return {{static_cast<const std::byte*>(address), bytes.size()}, offset};
}

std::span<const std::byte> ScratchFile::put(std::span<const std::byte> bytes) {
  return nameless_.emplace_back(write(bytes)).bytes;
}

std::optional<std::span<const std::byte>> ScratchFile::find(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second.bytes;
}

std::span<const std::byte> ScratchFile::put(const std::string& name, std::span<const std::byte> bytes) {
  const Stored stored = write(bytes);
  remove(name);
  names_[name] = stored;
  return stored.bytes;
}

void ScratchFile::remove(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  give_back(found->second);
  names_.erase(found);
}

void ScratchFile::remove_all(const std::string& prefix) {
  for (auto name = names_.lower_bound(prefix); name != names_.end() && name->first.starts_with(prefix);) {
    give_back(name->second);
    name = names_.erase(name);
  }
}

void ScratchFile::give_back(const Stored& stored) const {
  if (stored.bytes.empty()) return;
  unmap(stored.bytes);
  ::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(stored.offset),
              static_cast<off_t>(stored.bytes.size()));
}

}  // namespace prunenet
