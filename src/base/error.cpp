// Error: construction and the texts of its codes.
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace prunenet {

std::string_view describe(ErrorCode code) {
  switch (code) {
    case ErrorCode::kIo:
      return "the operating system refused to read or write";
    case ErrorCode::kNotFound:
      return "a file or folder that must exist does not";
    case ErrorCode::kExists:
      return "an output exists already and was not to be overwritten";
    case ErrorCode::kNoSpace:
      return "the disk is full, or would be";
    case ErrorCode::kFormat:
      return "a file does not keep to its format";
    case ErrorCode::kMismatch:
      return "two parts of the input contradict each other";
    case ErrorCode::kUnsupported:
      return "well formed, but nothing this program can work on";
    case ErrorCode::kBadOption:
      return "an option's value makes no sense for this input";
    case ErrorCode::kNonFinite:
      return "NaN or infinity where a number is needed";
    case ErrorCode::kCancelled:
      return "interrupted";
    case ErrorCode::kInternal:
      return "a defect of this program";
  }
  return "unknown";
}

namespace {

// Names in a message come from files: a zero byte would cut the text short, an escape sequence would command the
// terminal, and a name of megabytes would bury what is said of it.
std::string printable(const std::string& text) {
  constexpr size_t kMaxBytes = 4000;
  std::string safe;
  for (char c : text) {
    if (safe.size() >= kMaxBytes) return safe + " ...";
    const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
    if (control) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

Error::Error(ErrorCode code, std::string where, const std::string& message)
    : std::runtime_error(printable(where.empty() ? message : where + ": " + message)),
      code_(code),
      where_(std::move(where)) {}

void fail_errno(std::string where, std::string_view action) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  fail(full ? ErrorCode::kNoSpace : ErrorCode::kIo, std::move(where), "cannot {}: {}", action, std::strerror(error));
}

void check_failed(const char* expression, const char* file, int line) {
  fail(ErrorCode::kInternal, fmt::format("{}:{}", file, line), "internal check failed: {}", expression);
}

}  // namespace prunenet
