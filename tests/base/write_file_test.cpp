// Writing single files: whole or not at all, and what happens when the disk is full.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

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

// While it lives, no file of this process may grow beyond `bytes`: as good as a full disk, for every user.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    former_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &former_);
    const rlimit limit{bytes, former_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &former_);
    std::signal(SIGXFSZ, former_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit former_{};
  void (*former_handler_)(int) = nullptr;
};

TEST(FileWriter, AppendsInOrder) {
  const TemporaryFolder folder;
  FileWriter writer(folder / "a");
  const std::byte middle[]{std::byte{0}, std::byte{255}};
  writer.append("one");
  writer.append(std::span(middle));
  writer.append("");
  writer.append("two");
  writer.close();
  EXPECT_EQ(read_bytes(folder / "a"), std::string("one\0\xfftwo", 8));
}

TEST(FileWriter, DoesNotTouchWhatExists) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  expect_error(ErrorCode::kExists, {(folder / "a").string(), "exists already"}, [&] { FileWriter{folder / "a"}; });
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  // A link is something of that name too, wherever it points: writing through it would land elsewhere.
  fs::create_symlink(folder / "elsewhere", folder / "link");
  expect_error(ErrorCode::kExists, {"exists already"}, [&] { FileWriter{folder / "link"}; });
  EXPECT_FALSE(fs::exists(folder / "elsewhere"));
}

TEST(FileWriter, NamesThePathWhenTheFolderIsMissing) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "no" / "a";
  expect_error(ErrorCode::kIo, {path.string(), "cannot create"}, [&] { FileWriter{path}; });
}

TEST(FileWriter, AFullDiskIsNoSpace) {
  const TemporaryFolder folder;
  FileWriter writer(folder / "a");
  const FileSizeLimit limit(1000);
  expect_error(ErrorCode::kNoSpace, {(folder / "a").string(), "cannot write"},
               [&] { writer.append(std::string(1500, 'x')); });
}

TEST(WriteFileAtomically, WritesANewFileAndNothingElse) {
  for (bool overwrite : {false, true}) {
    const TemporaryFolder folder;
    write_file_atomically(folder / "a.json", "text", overwrite);
    EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a.json", "text"}}));
  }
}

TEST(WriteFileAtomically, ReplacesAnExistingFileOnlyWhenTold) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.json", "old and longer");
  expect_error(ErrorCode::kExists, {(folder / "a.json").string(), "--force"},
               [&] { write_file_atomically(folder / "a.json", "new", false); });
  EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a.json", "old and longer"}}));
  write_file_atomically(folder / "a.json", "new", true);
  EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a.json", "new"}}));
}

TEST(WriteFileAtomically, KeepsTheOldFileAndLeavesNothingWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.json", "old");
  {
    const FileSizeLimit limit(1000);
    expect_error(ErrorCode::kNoSpace, {"cannot write"},
                 [&] { write_file_atomically(folder / "a.json", std::string(5000, 'n'), true); });
  }
  EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a.json", "old"}}));
}

TEST(WriteFileAtomically, RemovesWhatAKilledRunLeft) {
  const TemporaryFolder folder;
  write_bytes(folder / ".a.json.prunenet-partial", "half of an earlier run, longer than the new one");
  write_file_atomically(folder / "a.json", "new", false);
  EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a.json", "new"}}));
}

TEST(WriteFileAtomically, NeverReplacesAFolderOrAPipe) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const char* name : {"a", "pipe"}) {
    for (bool overwrite : {false, true}) {
      expect_error(ErrorCode::kExists, {(folder / name).string()},
                   [&] { write_file_atomically(folder / name, "x", overwrite); });
    }
  }
  EXPECT_EQ(folder_contents(folder.path()), (Contents{{"a", "(no file)"}, {"pipe", "(no file)"}}));
}

TEST(WriteFileAtomically, NeverReplacesALinkToNowhereUnlessTold) {
  const TemporaryFolder folder;
  fs::create_symlink("nowhere", folder / "a");
  expect_error(ErrorCode::kExists, {"--force"}, [&] { write_file_atomically(folder / "a", "x", false); });
  EXPECT_TRUE(fs::is_symlink(folder / "a"));
}

TEST(PartialPath, IsAHiddenNameBesideTheFile) {
  EXPECT_EQ(partial_path("/a/b/model"), "/a/b/.model.prunenet-partial");
  EXPECT_EQ(partial_path("model"), ".model.prunenet-partial");
}

TEST(ResolvedPath, RemovesDotsTrailingSlashesAndLinks) {
  const TemporaryFolder folder;
  const fs::path home = fs::canonical(folder.path());
  fs::create_directory(home / "real");
  fs::create_directory_symlink("real", home / "link");
  EXPECT_EQ(resolved_path(home / "real" / ".." / "." / "new"), home / "new");
  EXPECT_EQ(resolved_path(home / "link" / "below" / "x"), home / "real" / "below" / "x");
  EXPECT_EQ(resolved_path(home.string() + "/new/"), home / "new");
  EXPECT_EQ(resolved_path(home.string() + "/real//"), home / "real");
  EXPECT_EQ(resolved_path("/"), "/");
  EXPECT_EQ(resolved_path("x"), fs::canonical(fs::current_path()) / "x");
}

TEST(ResolvedPath, WhatCannotBeResolvedIsAnIoError) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder / "loop");
  expect_error(ErrorCode::kIo, {"cannot resolve"}, [&] { resolved_path(folder / "loop" / "x"); });
  expect_error(ErrorCode::kIo, {"cannot resolve"}, [&] { resolved_path(""); });
}

TEST(IsWithin, ComparesWholeNamesNotLetters) {
  EXPECT_TRUE(is_within("/a/b", "/a/b"));
  EXPECT_TRUE(is_within("/a/b/c/d", "/a/b"));
  EXPECT_TRUE(is_within("/a", "/"));
  EXPECT_FALSE(is_within("/a/bc", "/a/b"));
  EXPECT_FALSE(is_within("/a", "/a/b"));
  EXPECT_FALSE(is_within("/x/b", "/a/b"));
}

}  // namespace
}  // namespace prunenet
