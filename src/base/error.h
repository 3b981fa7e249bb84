// Error: the one exception of the library, for what is wrong with the world (a file, an option, memory).
// A bug of the caller's trips PRUNENET_CHECK instead; mathematics that did not settle is a field of a result.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace prunenet {

/// What kind of thing is wrong. Each has a one-line meaning: see `describe`.
enum class ErrorCode {
  kIo,           // the operating system refused to read or write
  kNotFound,     // a file or folder that must exist does not
  kExists,       // an output exists already and was not to be overwritten
  kNoSpace,      // the disk is full, or would be
  kFormat,       // a file does not keep to its format
  kMismatch,     // two parts of the input contradict each other
  kUnsupported,  // well formed, but nothing this program can work on
  kBadOption,    // an option's value makes no sense for this input
  kNonFinite,    // NaN or infinity where a number is needed
  kCancelled,    // the user interrupted
  kInternal,     // a defect of this program
};

/// One-line meaning of a code, for people ("the disk is full, or would be").
std::string_view describe(ErrorCode code);

class Error : public std::runtime_error {
 public:
  /// `where` names the file, tensor or option; `message` says what was expected and what was found.
  /// In the text, control characters are spelled out (\x1b) and what is longer than any sentence is cut.
  Error(ErrorCode code, std::string where, const std::string& message);

  ErrorCode code() const { return code_; }
  const std::string& where() const { return where_; }

 private:
  ErrorCode code_;
  std::string where_;
};

/// Throws Error with a message made by fmt.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, std::string where, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, std::move(where), fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error for the current value of errno: kNoSpace for a full disk or an exhausted quota, else kIo.
[[noreturn]] void fail_errno(std::string where, std::string_view action);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace prunenet

/// A promise the caller must keep; breaking it is a defect of the program, reported as ErrorCode::kInternal.
#define PRUNENET_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::prunenet::check_failed(#expression, __FILE__, __LINE__))
