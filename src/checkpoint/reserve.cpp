// reserve_file: fallocate of Linux. The one of POSIX would write zeros where the file system has none.
#include "checkpoint/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace prunenet {

void reserve_file(const std::filesystem::path& path, uint64_t size_bytes) {
  if (size_bytes == 0) return;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail_errno(path.string(), "open");
  const int status = ::fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_bytes));
  const int error = errno;
  ::close(descriptor);
  if (status == 0 || (error != ENOSPC && error != EDQUOT)) return;
  errno = error;
  fail_errno(path.string(), "take the room for it");
}

}  // namespace prunenet
