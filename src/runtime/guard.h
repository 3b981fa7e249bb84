// torch's exceptions become ours: the program prints one line, not a stack of C++ frames.
#pragma once

#include <c10/util/Exception.h>

#include <string>

#include "base/error.h"

namespace prunenet {

/// Runs `work`; a torch error becomes Error{kInternal}, one about memory Error{kIo} with what to do.
template <typename Work>
auto guarded(const std::string& where, Work work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    if (text.find("memory") != text.npos) {
      fail(ErrorCode::kIo, where,
           "not enough memory to run the model: use --dtype bf16, --stream or smaller batches ({})", text);
    }
    fail(ErrorCode::kInternal, where, "running the model failed: {}", text);
  }
}

}  // namespace prunenet
