// OutputFolder: whole or not at all, what it may replace, what a killed run leaves, who may write.
#include "base/output_folder.h"

#include <sys/wait.h>
#include <unistd.h>

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

void make_checkpoint_folder(const fs::path& path) {
  fs::create_directories(path);
  write_bytes(path / "config.json", "{}");
  write_bytes(path / "old.txt", "old");
}

TEST(OutputFolder, AppearsWithItsFilesOnCommitAndNotBefore) {
  const TemporaryFolder home;
  {
    OutputFolder output(home / "out", false);
    write_bytes(output.staging() / "a", "text");
    EXPECT_FALSE(fs::exists(home / "out"));
    output.commit();
    EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "text"}}));
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "text"}}))
      << "gone with the object";
}

TEST(OutputFolder, LeavesNothingBehindWithoutCommit) {
  const TemporaryFolder home;
  {
    const OutputFolder output(home / "out", false);
    fs::create_directories(output.staging() / "below" / "deeper");
    write_bytes(output.staging() / "below" / "deeper" / "a", "text");
  }
  EXPECT_EQ(folder_contents(home.path()), Contents{});
}

TEST(OutputFolder, CreatesTheFoldersAboveIt) {
  const TemporaryFolder home;
  OutputFolder output(home.path() / "x" / "y" / "out", false);
  output.commit();
  EXPECT_TRUE(fs::is_directory(home.path() / "x" / "y" / "out"));
}

TEST(OutputFolder, TakesATrailingSlashForTheSameFolder) {
  const TemporaryFolder home;
  OutputFolder output(home.path().string() + "/out/", false);
  write_bytes(output.staging() / "a", "text");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "text"}}));
}

TEST(OutputFolder, RefusesWhatExistsWithoutForce) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  fs::create_directory(home / "empty");
  write_bytes(home / "file", "text");
  fs::create_symlink("nowhere", home / "link");
  const auto before = folder_contents(home.path());
  for (const char* name : {"out", "empty", "file", "link"}) {
    expect_error(ErrorCode::kExists, {(home / name).string(), "exists already", "--force"}, [&] {
      OutputFolder{home / name, false};
    });
  }
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFolder, WithForceReplacesACheckpointWholly) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  const Contents old = folder_contents(home / "out");
  OutputFolder output(home / "out", true);
  write_bytes(output.staging() / "config.json", "new");
  EXPECT_EQ(folder_contents(home / "out"), old) << "changed before commit";
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/config.json", "new"}}));
}

TEST(OutputFolder, WithForceAndWithoutCommitKeepsTheFormerFolder) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  const auto before = folder_contents(home.path());
  {
    const OutputFolder output(home / "out", true);
    write_bytes(output.staging() / "config.json", "new");
  }
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFolder, WithForceReplacesAnEmptyFolderAndWritesANewOne) {
  const TemporaryFolder home;
  fs::create_directory(home / "empty");
  for (const char* name : {"empty", "new"}) {
    OutputFolder output(home / name, true);
    write_bytes(output.staging() / "a", "text");
    output.commit();
    EXPECT_EQ(folder_contents(home / name), (Contents{{"a", "text"}}));
  }
}

TEST(OutputFolder, WithForceNeverDeletesWhatIsNoCheckpoint) {
  const TemporaryFolder home;
  fs::create_directory(home / "thesis");
  write_bytes(home.path() / "thesis" / "chapter.txt", "years of work");
  write_bytes(home / "file", "text");
  fs::create_symlink("nowhere", home / "link");
  const auto before = folder_contents(home.path());
  expect_error(ErrorCode::kExists, {(home / "thesis").string(), "no checkpoint folder"}, [&] {
    OutputFolder{home / "thesis", true};
  });
  for (const char* name : {"file", "link"}) {
    expect_error(ErrorCode::kExists, {(home / name).string(), "not a folder"}, [&] {
      OutputFolder{home / name, true};
    });
  }
  expect_error(ErrorCode::kExists, {"/"}, [&] { OutputFolder{"/", true}; });
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFolder, ThroughALinkReplacesTheFolderAndKeepsTheLink) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "real");
  fs::create_directory_symlink("real", home / "link");
  OutputFolder output(home / "link", true);
  write_bytes(output.staging() / "a", "text");
  output.commit();
  EXPECT_TRUE(fs::is_symlink(home / "link"));
  EXPECT_EQ(folder_contents(home / "real"), (Contents{{"a", "text"}}));
}

TEST(OutputFolder, AFileWhereTheParentShouldBeIsAnIoError) {
  const TemporaryFolder home;
  write_bytes(home / "file", "text");
  expect_error(ErrorCode::kIo, {"file"}, [&] { OutputFolder{home.path() / "file" / "out", false}; });
  EXPECT_EQ(read_bytes(home / "file"), "text");
}

TEST(OutputFolder, APartialThatIsALinkIsNotFollowed) {
  const TemporaryFolder home;
  fs::create_directory(home / "precious");
  write_bytes(home.path() / "precious" / "a", "text");
  fs::create_directory_symlink("precious", partial_path(home / "out"));
  expect_error(ErrorCode::kIo, {}, [&] { OutputFolder{home / "out", false}; });
  EXPECT_EQ(folder_contents(home / "precious"), (Contents{{"a", "text"}}));
}

// A child process that dies in the middle, as by kill -9: no destructor runs.
TEST(OutputFolder, RemovesWhatAKilledRunLeft) {
  const TemporaryFolder home;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const OutputFolder output(home / "out", false);
    write_bytes(output.staging() / "half", "text");
    fs::create_directory(output.staging() / "below");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(fs::exists(partial_path(home / "out") / "half"));

  OutputFolder output(home / "out", false);
  EXPECT_TRUE(fs::is_empty(output.staging()));
  write_bytes(output.staging() / "a", "whole");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "whole"}}));
}

TEST(OutputFolder, ASecondWriterIsLockedOutAndHarmsNothing) {
  const TemporaryFolder home;
  OutputFolder first(home / "out", false);
  write_bytes(first.staging() / "a", "first");
  expect_error(ErrorCode::kExists, {(home / "out").string(), "another process"}, [&] {
    OutputFolder{home / "out", false};
  });
  expect_error(ErrorCode::kExists, {"another process"}, [&] { OutputFolder{home / "out", true}; });
  first.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "first"}}));
}

TEST(OutputFolder, TheNextWriterMayComeOnceTheFirstGaveUpOrFinished) {
  const TemporaryFolder home;
  { const OutputFolder gave_up(home / "out", false); }
  OutputFolder finished(home / "out", false);
  write_bytes(finished.staging() / "config.json", "{}");
  finished.commit();
  EXPECT_NO_THROW(OutputFolder(home / "out", true));
}

// Work of hours must not be lost because someone removed the folder that was to be replaced.
TEST(OutputFolder, CommitsThoughTheFormerFolderWasRemovedMeanwhile) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  OutputFolder output(home / "out", true);
  write_bytes(output.staging() / "a", "text");
  fs::remove_all(home / "out");
  output.commit();
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/a", "text"}}));
}

TEST(OutputFolder, DoesNotDeleteWhatTookThePlaceOfTheFormerFolderMeanwhile) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  {
    OutputFolder output(home / "out", true);
    fs::remove(home / "out" / "config.json");
    expect_error(ErrorCode::kExists, {(home / "out").string(), "no checkpoint"}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()), (Contents{{"out", "(no file)"}, {"out/old.txt", "old"}}));
}

TEST(OutputFolder, PutsTheFormerFolderBackWhenTheNewOneCannotTakeItsPlace) {
  const TemporaryFolder home;
  make_checkpoint_folder(home / "out");
  const auto before = folder_contents(home.path());
  {
    OutputFolder output(home / "out", true);
    fs::remove_all(output.staging());  // as a stranger might; now no rename of it can succeed
    expect_error(ErrorCode::kIo, {(home / "out").string(), "rename into place"}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()), before);
}

TEST(OutputFolder, DoesNotReplaceAFolderThatAppearedMeanwhile) {
  const TemporaryFolder home;
  {
    OutputFolder output(home / "out", false);
    write_bytes(output.staging() / "a", "mine");
    make_checkpoint_folder(home / "out");
    expect_error(ErrorCode::kExists, {(home / "out").string()}, [&] { output.commit(); });
  }
  EXPECT_EQ(folder_contents(home.path()),
            (Contents{{"out", "(no file)"}, {"out/config.json", "{}"}, {"out/old.txt", "old"}}));
}

TEST(OutputFolder, SpaceThatIsThereIsEnoughAndMoreIsRefusedWithBothNumbers) {
  const TemporaryFolder home;
  const OutputFolder output(home / "out", false);
  EXPECT_NO_THROW(output.require_space(0));
  EXPECT_NO_THROW(output.require_space(1));
  const uint64_t needed = uint64_t{1} << 62;
  expect_error(ErrorCode::kNoSpace, {(home / "out").string(), "bytes free", std::to_string(needed)},
               [&] { output.require_space(needed); });
}

}  // namespace
}  // namespace prunenet
