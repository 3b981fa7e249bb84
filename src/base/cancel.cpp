// Interruption: the flag itself.
#include "base/cancel.h"

#include <atomic>

#include "base/error.h"

namespace prunenet {
namespace {
std::atomic<bool> cancelled{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the flag is set inside a signal handler");
}  // namespace

void request_cancel() noexcept {
  cancelled.store(true, std::memory_order_relaxed);
}

void throw_if_cancelled() {
  if (cancelled.load(std::memory_order_relaxed)) fail(ErrorCode::kCancelled, "", "interrupted; nothing was written");
}

}  // namespace prunenet
