// OutputFolder: what it may replace, and the rename that ends it.
#include "base/output_folder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
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

}  // namespace

OutputFolder::OutputFolder(const fs::path& target, bool overwrite, std::string marker)
    : target_(resolved_path(target)), marker_(std::move(marker)) {
  check_target(overwrite);
  staging_ = std::make_unique<StagingFolder>(target_, [&] { check_target(overwrite); });
}

void OutputFolder::check_target(bool overwrite) {
  replaces_ = is_there(target_);
  if (!replaces_) return;
  if (!overwrite) fail(ErrorCode::kExists, target_.string(), "exists already; --force replaces it");
  require_replaceable(target_, marker_);
}

OutputFolder::~OutputFolder() = default;

void OutputFolder::commit() {
  replaces_ = replaces_ && is_there(target_);  // someone may have removed or changed it while this run was at work
  if (!replaces_) {
    rename_into_place();
    staging_->release();
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
  if (::syscall(SYS_renameat2, AT_FDCWD, staging().c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    staging_->discard();  // what now lies under the temporary name is the former folder
    if (former_lock >= 0) ::close(former_lock);
    return;
  }
  if (former_lock >= 0) ::close(former_lock);
  const fs::path former = staging().string() + "-former";
  if (::rename(target_.c_str(), former.c_str()) != 0) fail_errno(target_.string(), "move the former folder aside");
  try {
    rename_into_place();
  } catch (const Error&) {
    ::rename(former.c_str(), target_.c_str());
    throw;
  }
  std::error_code ignored;
  fs::remove_all(former, ignored);
  staging_->release();
}

void OutputFolder::rename_into_place() {
  if (::rename(staging().c_str(), target_.c_str()) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
    fail(ErrorCode::kExists, target_.string(), "appeared while this run was writing; it is left as it is");
  }
  fail_errno(target_.string(), "rename into place");
}

}  // namespace prunenet
