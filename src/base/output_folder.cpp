// OutputFolder: staging, lock, and the rename that ends it.
#include "base/output_folder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/file.h"

namespace prunenet {
namespace fs = std::filesystem;

namespace {

// --force deletes what it replaces. It may do so only to a folder that looks like what this program writes.
void require_replaceable(const fs::path& target, const std::string& marker) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(target, error))) {
    fail(ErrorCode::kExists, target.string(), "exists and is not a folder; choose another output");
  }
  if (fs::is_empty(target, error) && !error) return;
  if (fs::exists(target / marker, error)) return;
  fail(ErrorCode::kExists, target.string(), "exists and is {} (it holds no {}): --force does not delete it",
       marker == "config.json" ? "no checkpoint folder" : "another folder", marker);
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// True when the open folder is the one that has the name now: between opening and locking, its former owner may have
// renamed or removed it.
bool is_named(int descriptor, const fs::path& path) {
  struct stat held, named;
  return ::fstat(descriptor, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

}  // namespace

OutputFolder::OutputFolder(const fs::path& target, bool overwrite, std::string marker)
    : target_(resolved_path(target)), marker_(std::move(marker)) {
  check_target(overwrite);
  staging_ = partial_path(target_);
  try {
    create_parents();
    lock_staging();
    check_target(overwrite);  // again: from here on no other run can change it
    for (const auto& entry : fs::directory_iterator(staging_)) fs::remove_all(entry.path());  // left by a killed run
  } catch (const fs::filesystem_error& failure) {
    discard();
    fail(ErrorCode::kIo, staging_.string(), "cannot clear the folder: {}", failure.code().message());
  } catch (...) {
    discard();
    throw;
  }
}

void OutputFolder::check_target(bool overwrite) {
  replaces_ = is_there(target_);
  if (!replaces_) return;
  if (!overwrite) fail(ErrorCode::kExists, target_.string(), "exists already; --force replaces it");
  require_replaceable(target_, marker_);
}

void OutputFolder::create_parents() {
  std::error_code error;
  const fs::path parent = target_.parent_path();
  for (fs::path path = parent; !is_there(path) && path != path.parent_path(); path = path.parent_path()) {
    created_parents_.push_back(path);
  }
  fs::create_directories(parent, error);
  if (error) fail(ErrorCode::kIo, parent.string(), "cannot create the folder: {}", error.message());
}

void OutputFolder::lock_staging() {
  const auto refuse = [&] { fail(ErrorCode::kExists, target_.string(), "another process is writing it just now"); };
  if (::mkdir(staging_.c_str(), 0777) != 0 && errno != EEXIST) fail_errno(staging_.string(), "create the folder");
  const int descriptor = ::open(staging_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) refuse();
  if (descriptor < 0) fail_errno(staging_.string(), "open the folder");
  // Where the file system has no locks at all (another errno), the run goes on without one.
  const bool locked_out = ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (locked_out || !is_named(descriptor, staging_)) {
    ::close(descriptor);
    refuse();
  }
  lock_descriptor_ = descriptor;
}

OutputFolder::~OutputFolder() {
  discard();
}

void OutputFolder::discard() noexcept {
  std::error_code ignored;
  if (lock_descriptor_ >= 0) {
    fs::remove_all(staging_, ignored);
    close_lock();
  }
  for (const fs::path& parent : created_parents_) ::rmdir(parent.c_str());  // deepest first; one that is in use stays
}

void OutputFolder::require_space(uint64_t needed_bytes) const {
  struct statvfs status {};
  if (::statvfs(staging_.c_str(), &status) != 0) return;  // unknown: writing itself will tell
  const uint64_t free_bytes = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  if (free_bytes >= needed_bytes) return;
  fail(ErrorCode::kNoSpace, target_.string(), "the disk has {} bytes free, {} are needed", free_bytes, needed_bytes);
}

void OutputFolder::commit() {
  replaces_ = replaces_ && is_there(target_);  // someone may have removed or changed it while this run was at work
  if (!replaces_) {
    rename_into_place();
    close_lock();
    return;
  }
  require_replaceable(target_, marker_);
  // The former folder is locked before it gets the temporary name, or the next run would take it for its own while it
  // is being removed.
  const int former_lock = ::open(target_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  for (int attempt = 0; attempt < 100 && former_lock >= 0; ++attempt) {  // not for ever: a stranger may hold it
    if (::flock(former_lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
    ::usleep(10'000);
  }
  // RENAME_EXCHANGE swaps old and new at once; file systems that cannot do it get two renames.
  if (::syscall(SYS_renameat2, AT_FDCWD, staging_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    discard();  // what now lies under the temporary name is the former folder
    if (former_lock >= 0) ::close(former_lock);
    return;
  }
  if (former_lock >= 0) ::close(former_lock);
  const fs::path former = staging_.string() + "-former";
  if (::rename(target_.c_str(), former.c_str()) != 0) fail_errno(target_.string(), "move the former folder aside");
  try {
    rename_into_place();
  } catch (const Error&) {
    ::rename(former.c_str(), target_.c_str());
    throw;
  }
  std::error_code ignored;
  fs::remove_all(former, ignored);
  close_lock();
}

void OutputFolder::rename_into_place() {
  if (::rename(staging_.c_str(), target_.c_str()) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
    fail(ErrorCode::kExists, target_.string(), "appeared while this run was writing; it is left as it is");
  }
  fail_errno(target_.string(), "rename into place");
}

void OutputFolder::close_lock() noexcept {
  ::close(lock_descriptor_);
  lock_descriptor_ = -1;
}

}  // namespace prunenet
