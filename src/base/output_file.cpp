// OutputFile: what it may replace, and the rename that ends it.
#include "base/output_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace prunenet {
namespace fs = std::filesystem;

OutputFile::OutputFile(const fs::path& target, bool overwrite, IsOurs is_ours)
    : target_(resolved_path(target)), is_ours_(std::move(is_ours)) {
  check_target(overwrite);
  staging_ = std::make_unique<StagingFolder>(target_, [&] { check_target(overwrite); });
  file_ = staging_->path() / target_.filename();
}

OutputFile::~OutputFile() = default;

void OutputFile::check_target(bool overwrite) {
  replaces_ = is_there(target_);
  if (!replaces_) return;
  if (!overwrite) fail(ErrorCode::kExists, target_.string(), "exists already; --force replaces it");
  require_replaceable();
}

// --force deletes what it replaces. It may do so only to a file of the kind that is being written, as the caller tells
// it; of GGUF that is any GGUF file, whoever wrote it.
void OutputFile::require_replaceable() const {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(target_, error))) {
    fail(ErrorCode::kExists, target_.string(), "exists and is no regular file; choose another output");
  }
  if (is_ours_(target_)) return;
  fail(ErrorCode::kExists, target_.string(), "exists and is a file of another kind: --force does not delete it");
}

void OutputFile::commit() {
  if (replaces_ && is_there(target_)) {  // someone may have removed or changed it while this run was at work
    require_replaceable();
    if (::rename(file_.c_str(), target_.c_str()) != 0) fail_errno(target_.string(), "rename into place");
  } else {
    const auto refuse = [&] {
      fail(ErrorCode::kExists, target_.string(), "appeared while this run was writing; it is left as it is");
    };
    // Where the file system cannot rename without replacing, a look before must do.
    if (::syscall(SYS_renameat2, AT_FDCWD, file_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) refuse();
      if (errno != EINVAL && errno != ENOSYS) fail_errno(target_.string(), "rename into place");
      if (is_there(target_)) refuse();
      if (::rename(file_.c_str(), target_.c_str()) != 0) fail_errno(target_.string(), "rename into place");
    }
  }
  staging_->discard();
}

}  // namespace prunenet
