// OutputFile: whole or not at all, what it may replace, what a killed run leaves, who may write.
#include "base/output_file.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/file.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::folder_contents;
using test::read_bytes;
using test::TemporaryFolder;
using test::write_bytes;

using Contents = std::map<std::string, std::string>;

// A file is ours when it begins with "ours".
bool is_ours(const fs::path& path) {
  return read_bytes(path).starts_with("ours");
}

TEST(OutputFile, AppearsOnCommitAndNotBefore) {
  const TemporaryFolder home;
  {
    OutputFile output(home / "out.gguf", false, is_ours);
    EXPECT_FALSE(fs::exists(output.staging()));
    write_bytes(output.staging(), "text");
    EXPECT_FALSE(fs::exists(home / "out.gguf"));
    output.commit();
    EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "text"}}));
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "text"}})) << "gone with the object";
}

TEST(OutputFile, LeavesNothingBehindWithoutCommit) {
  const TemporaryFolder home;
  {
    const OutputFile output(home.path() / "x" / "y" / "out.gguf", false, is_ours);
    write_bytes(output.staging(), "text");
  }
  EXPECT_EQ(folder_contents(home.path()), Contents{});
}

TEST(OutputFile, CreatesTheFoldersAboveIt) {
  const TemporaryFolder home;
  OutputFile output(home.path() / "x" / "y" / "out.gguf", false, is_ours);
  write_bytes(output.staging(), "text");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()),
            (Contents{{"x", "(no file)"}, {"x/y", "(no file)"}, {"x/y/out.gguf", "text"}}));
}

TEST(OutputFile, RefusesWhatExistsWithoutForce) {
  const TemporaryFolder home;
  write_bytes(home / "file", "ours");
  write_bytes(home / "empty", "");
  fs::create_directory(home / "folder");
  fs::create_symlink("nowhere", home / "link");
  const auto before = folder_contents(home.path());
  for (const char* name : {"file", "empty", "folder", "link"}) {
    expect_error(ErrorCode::kExists, {(home / name).string(), "exists already", "--force"}, [&] {
      OutputFile{home / name, false, is_ours};
    });
  }
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFile, WithForceReplacesAFileOfItsKindOnCommit) {
  const TemporaryFolder home;
  write_bytes(home / "out.gguf", "ours, old");
  {
    const OutputFile dropped(home / "out.gguf", true, is_ours);
    write_bytes(dropped.staging(), "half");
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "ours, old"}}));
  OutputFile output(home / "out.gguf", true, is_ours);
  write_bytes(output.staging(), "new");
  EXPECT_EQ(read_bytes(home / "out.gguf"), "ours, old") << "changed before commit";
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "new"}}));
}

TEST(OutputFile, WithForceNeverDeletesAnythingElse) {
  const TemporaryFolder home;
  write_bytes(home / "thesis.txt", "years of work");
  write_bytes(home / "empty", "");
  fs::create_directory(home / "folder");
  fs::create_symlink("nowhere", home / "link");
  const auto before = folder_contents(home.path());
  for (const char* name : {"thesis.txt", "empty"}) {
    expect_error(ErrorCode::kExists, {(home / name).string(), "another kind"}, [&] {
      OutputFile{home / name, true, is_ours};
    });
  }
  for (const char* name : {"folder", "link"}) {
    expect_error(ErrorCode::kExists, {(home / name).string(), "no regular file"}, [&] {
      OutputFile{home / name, true, is_ours};
    });
  }
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFile, ThroughALinkReplacesTheFileAndKeepsTheLink) {
  const TemporaryFolder home;
  write_bytes(home / "real", "ours");
  fs::create_symlink("real", home / "link");
  OutputFile output(home / "link", true, is_ours);
  write_bytes(output.staging(), "new");
  output.commit();
  EXPECT_TRUE(fs::is_symlink(home / "link"));
  EXPECT_EQ(read_bytes(home / "real"), "new");
}

TEST(OutputFile, AFileWhereTheParentShouldBeIsAnIoError) {
  const TemporaryFolder home;
  write_bytes(home / "file", "text");
  expect_error(ErrorCode::kIo, {"file"}, [&] { OutputFile{home.path() / "file" / "out.gguf", false, is_ours}; });
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"file", "text"}}));
}

TEST(OutputFile, APartialThatIsALinkIsNotFollowed) {
  const TemporaryFolder home;
  fs::create_directory(home / "precious");
  write_bytes(home.path() / "precious" / "out.gguf", "text");
  fs::create_directory_symlink("precious", partial_path(home / "out.gguf"));
  expect_error(ErrorCode::kIo, {}, [&] { OutputFile{home / "out.gguf", false, is_ours}; });
  EXPECT_EQ(folder_contents(home / "precious"), (Contents{{"out.gguf", "text"}}));
}

// A child process that dies in the middle, as by kill -9: no destructor runs.
TEST(OutputFile, RemovesWhatAKilledRunLeft) {
  const TemporaryFolder home;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const OutputFile output(home / "out.gguf", false, is_ours);
    write_bytes(output.staging(), "half");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(read_bytes(partial_path(home / "out.gguf") / "out.gguf"), "half");

  OutputFile output(home / "out.gguf", false, is_ours);
  EXPECT_FALSE(fs::exists(output.staging()));
  write_bytes(output.staging(), "whole");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "whole"}}));
}

TEST(OutputFile, ASecondWriterIsLockedOutAndHarmsNothing) {
  const TemporaryFolder home;
  OutputFile first(home / "out.gguf", false, is_ours);
  write_bytes(first.staging(), "first");
  for (const bool overwrite : {false, true}) {
    expect_error(ErrorCode::kExists, {(home / "out.gguf").string(), "another process"}, [&] {
      OutputFile{home / "out.gguf", overwrite, is_ours};
    });
  }
  first.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "first"}}));
}

TEST(OutputFile, TheNextWriterMayComeOnceTheFirstGaveUpOrFinished) {
  const TemporaryFolder home;
  { const OutputFile gave_up(home / "out.gguf", false, is_ours); }
  OutputFile finished(home / "out.gguf", false, is_ours);
  write_bytes(finished.staging(), "ours");
  finished.commit();
  EXPECT_NO_THROW(OutputFile(home / "out.gguf", true, is_ours));
}

TEST(OutputFile, CommitsThoughTheFormerFileWasRemovedMeanwhile) {
  const TemporaryFolder home;
  write_bytes(home / "out.gguf", "ours");
  OutputFile output(home / "out.gguf", true, is_ours);
  write_bytes(output.staging(), "new");
  fs::remove(home / "out.gguf");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "new"}}));
}

TEST(OutputFile, DoesNotDeleteWhatTookThePlaceOfTheFormerFileMeanwhile) {
  const TemporaryFolder home;
  write_bytes(home / "out.gguf", "ours");
  {
    OutputFile output(home / "out.gguf", true, is_ours);
    write_bytes(output.staging(), "new");
    write_bytes(home / "out.gguf", "a stranger's");
    expect_error(ErrorCode::kExists, {(home / "out.gguf").string(), "another kind"}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "a stranger's"}}));
}

TEST(OutputFile, DoesNotReplaceWhatAppearedMeanwhile) {
  const TemporaryFolder home;
  {
    OutputFile output(home / "out.gguf", false, is_ours);
    write_bytes(output.staging(), "mine");
    write_bytes(home / "out.gguf", "ours");
    expect_error(ErrorCode::kExists, {(home / "out.gguf").string(), "appeared"}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out.gguf", "ours"}}));
}

TEST(OutputFile, CommittingAFileThatWasNeverWrittenIsAnIoErrorAndHarmsNothing) {
  const TemporaryFolder home;
  write_bytes(home / "old.gguf", "ours");
  for (const char* name : {"new.gguf", "old.gguf"}) {
    OutputFile output(home / name, true, is_ours);
    expect_error(ErrorCode::kIo, {(home / name).string(), "rename into place"}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"old.gguf", "ours"}}));
}

TEST(OutputFile, SpaceThatIsThereIsEnoughAndMoreIsRefusedWithBothNumbers) {
  const TemporaryFolder home;
  const OutputFile output(home / "out.gguf", false, is_ours);
  EXPECT_NO_THROW(output.require_space(1));
  const uint64_t needed = uint64_t{1} << 62;
  expect_error(ErrorCode::kNoSpace, {(home / "out.gguf").string(), "bytes free", std::to_string(needed)},
               [&] { output.require_space(needed); });
}

// Several writers of one place that come and go at once: each is told that another is at work, or its file becomes the
// target; no other kind of failure may come up.
TEST(OutputFile, WritersThatRaceForOnePlaceNeverMixTheirFiles) {
  const TemporaryFolder home;
  std::atomic<int> commits = 0;
  const auto write_again_and_again = [&](int writer) {
    for (int round = 0; round < 300; ++round) {
      try {
        OutputFile output(home / "out.gguf", true, is_ours);
        write_bytes(output.staging(), "ours " + std::string(5000, static_cast<char>('a' + writer)));
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
  const std::string text = read_bytes(home / "out.gguf");
  EXPECT_EQ(text, "ours " + std::string(5000, text.back()));
  EXPECT_EQ(folder_contents(home.path()).size(), 1u) << "something was left";
}

// From now on this process (a child of the test) gets EINVAL for every renameat2, as NFS and others answer its flags.
bool deny_renameat2() {
  sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_renameat2},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EINVAL},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(OutputFile, OnAFileSystemWithoutFlagsOfRenameItStillAppearsAndStillReplacesNothing) {
  const TemporaryFolder home;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!deny_renameat2()) ::_exit(2);
    try {
      OutputFile output(home / "out.gguf", false, is_ours);
      write_bytes(output.staging(), "ours");
      output.commit();
      OutputFile second(home / "second.gguf", false, is_ours);
      write_bytes(second.staging(), "mine");
      write_bytes(home / "second.gguf", "another's");
      second.commit();
    } catch (const Error& error) {
      ::_exit(error.code() == ErrorCode::kExists ? 0 : 3);
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "the kernel allows no filter here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_bytes(home / "out.gguf"), "ours");
  EXPECT_EQ(read_bytes(home / "second.gguf"), "another's");
}

}  // namespace
}  // namespace prunenet
