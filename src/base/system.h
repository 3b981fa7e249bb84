// What the program asks of the machine: memory it has used, threads it may use, a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace prunenet {

/// Largest resident memory of this process so far, mapped files included, in bytes.
int64_t peak_rss_bytes();

/// Memory that could be had without swapping, in bytes; 0 where the system does not tell.
int64_t available_memory_bytes();

/// Seconds since construction, by the monotonic clock.
class Stopwatch {
 public:
  double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace prunenet
