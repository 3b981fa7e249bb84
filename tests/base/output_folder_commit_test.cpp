// OutputFolder's commit under difficult conditions: racing writers, and file systems that cannot swap two folders.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/output_folder.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::folder_contents;
using test::TemporaryFolder;
using test::write_bytes;

using Contents = std::map<std::string, std::string>;

// Several writers of one place that come and go at once: each is told that another is at work, or its folder becomes
// the target whole; none sees another's files taken away, and no other kind of failure may come up.
TEST(OutputFolder, WritersThatRaceForOnePlaceNeverMixOrLoseTheirFiles) {
  const TemporaryFolder home;
  std::atomic<int> commits = 0;
  const auto write_again_and_again = [&](int writer) {
    for (int round = 0; round < 300; ++round) {
      try {
        OutputFolder output(home / "out", true);
        const std::string text = std::to_string(writer) + "." + std::to_string(round);
        for (int i = 0; i < 5; ++i) write_bytes(output.staging() / std::to_string(i), text);
        write_bytes(output.staging() / "config.json", text);
        output.commit();
        ++commits;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kExists) << error.what();
      } catch (const std::exception& error) {
        ADD_FAILURE() << "another kind of failure: " << error.what();
      }
    }
  };
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) writers.emplace_back(write_again_and_again, i);
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(commits, 0);
  const Contents contents = folder_contents(home / "out");
  EXPECT_EQ(contents.size(), 6u);
  for (const auto& [name, text] : contents) EXPECT_EQ(text, contents.at("config.json")) << name;
  EXPECT_EQ(std::distance(fs::directory_iterator(home.path()), fs::directory_iterator()), 1) << "something was left";
}

// From now on this process (a child of the test) gets EINVAL for the swap of two names, as NFS and others answer it.
bool forbid_swapping() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[4])),  // little-endian: the low half comes first
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RENAME_EXCHANGE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof *program, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

constexpr int kDone = 0, kFailed = 1, kNoFilter = 2, kSwapped = 3;

// Replaces `out` in a process that cannot swap; returns how that ended.
int replace_without_swapping(const fs::path& out) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      if (!forbid_swapping()) ::_exit(kNoFilter);
      OutputFolder output(out, true);
      write_bytes(output.staging() / "new", "text");
      const std::string a = out.string(), b = output.staging().string();
      if (::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) ::_exit(kSwapped);
      output.commit();
    } catch (const std::exception&) {
      ::_exit(kFailed);
    }
    ::_exit(kDone);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(OutputFolder, ReplacesWithTwoRenamesWhereTheFileSystemCannotSwap) {
  const TemporaryFolder home;
  fs::create_directory(home / "out");
  write_bytes(home / "out" / "config.json", "{}");
  const int ending = replace_without_swapping(home / "out");
  if (ending == kNoFilter) GTEST_SKIP() << "this system lets no process filter its own calls";
  ASSERT_EQ(ending, kDone);
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/new", "text"}}));
}

// A run that was killed between the two renames left the former folder: it is the only copy, and must not be lost.
TEST(OutputFolder, WithoutSwappingNeverDeletesAFormerFolderThatAKilledRunLeft) {
  const TemporaryFolder home;
  fs::create_directory(home / "out");
  write_bytes(home / "out" / "config.json", "{}");
  fs::create_directory(home / ".out.prunenet-partial-former");
  write_bytes(home / ".out.prunenet-partial-former" / "config.json", "the only copy");
  const Contents before = folder_contents(home.path());
  const int ending = replace_without_swapping(home / "out");
  if (ending == kNoFilter) GTEST_SKIP() << "this system lets no process filter its own calls";
  ASSERT_EQ(ending, kFailed);
  EXPECT_EQ(folder_contents(home.path()), before);
}

}  // namespace
}  // namespace prunenet
