// Progress on a terminal and in a log.
#include "cli/terminal_progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace prunenet::cli {
namespace {

template <typename Work>
std::string said_by(TerminalProgress progress, const Work& work) {
  testing::internal::CaptureStderr();
  work(progress);
  return testing::internal::GetCapturedStderr();
}

TEST(TerminalProgress, ALogHearsOfAStageThatGoesOnAndOfItsEnd) {
  const std::string said = said_by({false, false, 0}, [](Progress& progress) {
    progress.begin("walking", 4);
    for (int i = 0; i < 4; ++i) progress.advance(1);
    progress.end();
  });
  EXPECT_EQ(said,
            "walking: 25 % in 0.0 s, 0.0 s left\nwalking: 50 % in 0.0 s, 0.0 s left\n"
            "walking: 75 % in 0.0 s, 0.0 s left\nwalking: done in 0.0 s\n");
}

TEST(TerminalProgress, ALogDoesNotGuessFromALittle) {
  const std::string said = said_by({false, false, 0}, [](Progress& progress) {
    progress.begin("walking", 1000);
    progress.advance(1);
  });
  EXPECT_EQ(said, "walking: 0 % in 0.0 s\n");
}

TEST(TerminalProgress, ShortStagesTakeOneLineOfALog) {
  const std::string said = said_by({false, false}, [](Progress& progress) {
    progress.begin("walking", 100);
    for (int i = 0; i < 100; ++i) progress.advance(1);
    progress.end();
  });
  EXPECT_EQ(said, "walking: done in 0.0 s\n");
}

TEST(TerminalProgress, AStageWithinAnotherHasItsOwnNameAndTime) {
  const std::string said = said_by({false, false, 0}, [](Progress& progress) {
    progress.begin("walking", 2);
    progress.begin("resting", 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(260));
    progress.end();
    progress.advance(1);
    progress.end();
  });
  const std::string rest = "resting: done in 0.";  // 0.3 s, unless the machine is busy
  ASSERT_TRUE(said.starts_with(rest)) << said;
  EXPECT_GE(said[rest.size()], '3');
  EXPECT_EQ(said.substr(said.find('\n') + 1), "walking: 50 % in 0.0 s, 0.0 s left\nwalking: done in 0.0 s\n");
}

TEST(TerminalProgress, TheBarComesBackToTheOuterStage) {
  const std::string said = said_by({false, true}, [](Progress& progress) {
    progress.begin("walking", 2);
    progress.begin("resting", 10);
    progress.end();
  });
  const size_t done = said.find("resting: done");
  ASSERT_NE(done, said.npos) << said;
  EXPECT_LT(said.find("walking"), said.find("resting"));
  EXPECT_NE(said.find("walking", done), said.npos) << said;
}

TEST(TerminalProgress, QuietSaysWarningsAlone) {
  for (const bool terminal : {false, true}) {
    const std::string said = said_by({true, terminal, 0}, [](Progress& progress) {
      progress.begin("walking", 2);
      progress.begin("resting", 2);
      progress.advance(1);
      progress.end();
      progress.advance(1);
      progress.note("the sun shines");
      progress.warn("it rains");
      progress.end();
    });
    EXPECT_EQ(said, "warning: it rains\n");
  }
}

TEST(TerminalProgress, WhatCannotBeWrittenIsLost) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) GTEST_SKIP() << "there is no /dev/full";
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(full, STDERR_FILENO);
  bool threw = false;
  try {
    TerminalProgress progress(false, true);
    progress.begin("walking", 2);
    progress.advance(1);
    progress.note("the sun shines");
    progress.warn("it rains");
    progress.end();
  } catch (...) {
    threw = true;
  }
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(full);
  std::clearerr(stderr);
  EXPECT_FALSE(threw);
}

}  // namespace
}  // namespace prunenet::cli
