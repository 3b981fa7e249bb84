// What concerns the whole process: interruption, its memory, its clock.
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/system.h"
#include "support/support.h"

namespace prunenet {
namespace {

TEST(Cancel, NothingIsThrownBeforeAnyoneAsked) {
  EXPECT_NO_THROW(throw_if_cancelled());
}

// In a process of its own: the request cannot be taken back.
TEST(CancelDeathTest, AfterTheRequestTheNextQuestionThrowsCancelled) {
  EXPECT_EXIT(
      {
        request_cancel();
        try {
          throw_if_cancelled();
        } catch (const Error& error) {
          ::_exit(error.code() == ErrorCode::kCancelled ? 7 : 8);
        }
        ::_exit(9);
      },
      testing::ExitedWithCode(7), "");
}

TEST(System, PeakMemoryGrowsByWhatIsTouched) {
  const int64_t before = peak_rss_bytes();
  EXPECT_GT(before, 0);
  // More than is resident already, so that the peak must move.
  std::vector<char> memory(static_cast<size_t>(before) + (64u << 20), 1);
  EXPECT_GE(peak_rss_bytes(), static_cast<int64_t>(memory.size()));
  EXPECT_EQ(memory.back(), 1);
}

TEST(System, StopwatchCountsSeconds) {
  const Stopwatch watch;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double elapsed = watch.elapsed_s();
  EXPECT_GE(elapsed, 0.05);
  EXPECT_LT(elapsed, 30);
  EXPECT_GE(watch.elapsed_s(), elapsed);
}

}  // namespace
}  // namespace prunenet
