// StagingFolder: its lock, and the folders above it.
#include "base/staging_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/file.h"

namespace prunenet {
namespace fs = std::filesystem;

namespace {

// True when the open folder is the one that has the name now: between opening and locking, its former owner may have
// renamed or removed it.
bool is_named(int descriptor, const fs::path& path) {
  struct stat held, named;
  return ::fstat(descriptor, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

}  // namespace

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

StagingFolder::StagingFolder(const fs::path& target, const std::function<void()>& check)
    : target_(target), path_(partial_path(target)) {
  try {
    create_parents();
    lock();
    check();
    for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());  // left by a killed run
  } catch (const fs::filesystem_error& failure) {
    discard();
    fail(ErrorCode::kIo, path_.string(), "cannot clear the folder: {}", failure.code().message());
  } catch (...) {
    discard();
    throw;
  }
}

void StagingFolder::create_parents() {
  std::error_code error;
  const fs::path parent = target_.parent_path();
  for (fs::path path = parent; !is_there(path) && path != path.parent_path(); path = path.parent_path()) {
    created_parents_.push_back(path);
  }
  fs::create_directories(parent, error);
  if (error) fail(ErrorCode::kIo, parent.string(), "cannot create the folder: {}", error.message());
}

void StagingFolder::lock() {
  const auto refuse = [&] { fail(ErrorCode::kExists, target_.string(), "another process is writing it just now"); };
  if (::mkdir(path_.c_str(), 0777) != 0 && errno != EEXIST) fail_errno(path_.string(), "create the folder");
  const int descriptor = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) refuse();
  if (descriptor < 0) fail_errno(path_.string(), "open the folder");
  // Where the file system has no locks at all (another errno), the run goes on without one.
  const bool locked_out = ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (locked_out || !is_named(descriptor, path_)) {
    ::close(descriptor);
    refuse();
  }
  lock_descriptor_ = descriptor;
}

StagingFolder::~StagingFolder() {
  discard();
}

void StagingFolder::discard() noexcept {
  std::error_code ignored;
  if (lock_descriptor_ >= 0) {
    fs::remove_all(path_, ignored);
    release();
  }
  for (const fs::path& parent : created_parents_) ::rmdir(parent.c_str());  // deepest first; one that is in use stays
}

void StagingFolder::require_space(uint64_t needed_bytes) const {
  struct statvfs status {};
  if (::statvfs(path_.c_str(), &status) != 0) return;  // unknown: writing itself will tell
  const uint64_t free_bytes = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  if (free_bytes >= needed_bytes) return;
  fail(ErrorCode::kNoSpace, target_.string(), "the disk has {} bytes free, {} are needed", free_bytes, needed_bytes);
}

void StagingFolder::release() noexcept {
  if (lock_descriptor_ >= 0) ::close(lock_descriptor_);
  lock_descriptor_ = -1;
}

}  // namespace prunenet
