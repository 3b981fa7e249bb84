// Interruption: a flag that a signal handler may set and that long work asks about between steps.
// Unwinding through the exception removes what was half written.
#pragma once

namespace prunenet {

/// Safe to call in a signal handler.
void request_cancel() noexcept;

/// Throws Error{kCancelled} once request_cancel was called. Cheap enough for every tensor and every MiB.
void throw_if_cancelled();

}  // namespace prunenet
