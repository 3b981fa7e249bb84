// Outputs that cannot or must not be written: what is there stays, what was begun goes.
#include <unistd.h>

#include <set>

#include "program/refusal.h"
#include "program/small_disk.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCannotMount = "this process may not mount a file system, as root or in a namespace of its own";

class BadOutput : public Refusal {
 protected:
  BadOutput() { tiny_model().write(model()); }

  std::vector<std::string> prune_to(const fs::path& target, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"prune",   model(), "-o",       target,  "--quiet",
                                       "--ratio", "0.25",  "--method", "random"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // The empty folder on which a small disk is mounted.
  fs::path disk() const {
    fs::create_directory(root() / "disk");
    return root() / "disk";
  }
  static void expect_failed_and_empty(const SmallDiskResult& result, const std::vector<std::string>& fragments) {
    EXPECT_EQ(result.run.status, 1) << result.run.err;
    for (const std::string& fragment : fragments) {
      EXPECT_NE(result.run.err.find(fragment), std::string::npos) << "'" << fragment << "' not in " << result.run.err;
    }
    EXPECT_EQ(result.left, std::vector<std::string>{});
  }
};

TEST_F(BadOutput, ExistingFolderWithoutForce) {
  tiny_model(2).write(out());
  expect_refused(prune(), {out(), "exists already", "--force"});
  fs::remove_all(out());
  fs::create_directory(out());
  expect_refused(prune(), {out(), "exists already", "--force"});
}

TEST_F(BadOutput, InsideTheModel) {
  for (const std::string force : {"--quiet", "--force"}) {
    expect_refused(prune_to(model() / "small", {force}), {model() / "small", "lies in the model's own folder"});
    expect_refused(prune_to(model() / "a/b", {force}), {model() / "a/b", "lies in the model's own folder"});
  }
}

TEST_F(BadOutput, EqualToTheModel) {
  fs::create_directory_symlink("model", root() / "link");
  const std::vector<fs::path> names{model(), model() / "", model() / ".", root() / "x/../model", root() / "link"};
  for (const fs::path& name : names) {
    SCOPED_TRACE(name);
    expect_refused(prune_to(name, {"--force"}), {model(), "lies in the model's own folder"});
  }
}

TEST_F(BadOutput, FolderThatHoldsTheModel) {
  write_bytes(root() / "config.json", "{}");  // so that it looks like a checkpoint
  expect_refused(prune_to(root(), {"--force"}), {root(), "would replace a folder that holds the model"});
}

TEST_F(BadOutput, ExistingFile) {
  write_bytes(out(), "precious");
  expect_refused(prune(), {out(), "exists already"});
  expect_refused(prune({"--force"}), {out(), "is not a folder"});
}

TEST_F(BadOutput, ForceDeletesNoFolderThatIsNoCheckpoint) {
  fs::create_directories(out() / "thesis");
  write_bytes(out() / "thesis" / "chapter1.tex", "precious");
  expect_refused(prune({"--force"}), {out(), "is no checkpoint folder", "--force does not delete it"});
}

TEST_F(BadOutput, SymlinkToNowhere) {
  fs::create_symlink("nowhere", out());
  const RunResult result = run_prunenet(prune({"--force"}));
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(fs::is_symlink(out()));
  EXPECT_FALSE(fs::exists(root() / "nowhere"));
}

TEST_F(BadOutput, BelowARegularFile) {
  write_bytes(root() / "file", "not a folder");
  expect_refused(prune_to(root() / "file" / "out"), {root() / "file"});
  expect_refused(prune_to(root() / "file" / "deep" / "out"), {root() / "file"});
}

TEST_F(BadOutput, FileSystemThatTakesNoFolders) {
  expect_refused(prune_to("/proc/prunenet-out"), {"/proc", "cannot create"});
}

TEST_F(BadOutput, ParentWithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not bind root; ReadOnlyFileSystem does";
  const fs::path parent = root() / "locked";
  fs::create_directory(parent);
  fs::permissions(parent, fs::perms::owner_read | fs::perms::owner_exec);
  expect_refused(prune_to(parent / "out"), {parent, "Permission denied"});
  fs::permissions(parent, fs::perms::owner_all);
}

TEST_F(BadOutput, ReadOnlyFileSystem) {
  const auto result = run_on_small_disk(disk(), {"size=1m", true}, prune_to(disk() / "out"));
  if (!result) GTEST_SKIP() << kCannotMount;
  expect_failed_and_empty(*result, {disk(), "Read-only file system"});
}

TEST_F(BadOutput, DiskTooSmallIsToldBeforeWriting) {
  const auto result = run_on_small_disk(disk(), {"size=4k", false}, prune_to(disk() / "out"));
  if (!result) GTEST_SKIP() << kCannotMount;
  expect_failed_and_empty(*result, {disk() / "out", "the disk has", "bytes free", "are needed"});
}

TEST_F(BadOutput, DiskThatFillsUpHalfWay) {
  // The weights fit (two pages), the small files after them do not.
  const auto result = run_on_small_disk(disk(), {"size=12k", false}, prune_to(disk() / "out"));
  if (!result) GTEST_SKIP() << kCannotMount;
  expect_failed_and_empty(*result, {disk(), "No space left on device"});
}

TEST_F(BadOutput, DiskWithoutRoomForAnotherFile) {
  const auto result = run_on_small_disk(disk(), {"nr_inodes=3", false}, prune_to(disk() / "out"));
  if (!result) GTEST_SKIP() << kCannotMount;
  expect_failed_and_empty(*result, {disk(), "cannot create", "No space left on device"});
}

TEST_F(BadOutput, SmallDiskIsLargeEnoughForThisModel) {
  const auto result = run_on_small_disk(disk(), {"size=1m", false}, prune_to(disk() / "out"));
  if (!result) GTEST_SKIP() << kCannotMount;
  EXPECT_EQ(result->run.status, 0) << result->run.err;
  EXPECT_EQ(result->left.size(), 5u);  // the folder; config, tokenizer, weights, prunenet.json
}

TEST_F(BadOutput, WriteThatFailsHalfWay) {
  RunOptions options;
  options.file_size_limit_bytes = 4096;  // the weights are larger
  expect_refused(prune(), {"model.safetensors", "cannot write", "File too large"}, 1, options);
}

TEST_F(BadOutput, WriteThatFailsHalfWayKeepsTheFolderItWasToReplace) {
  tiny_model(2).write(out());
  RunOptions options;
  options.file_size_limit_bytes = 4096;
  expect_refused(prune({"--force"}), {"model.safetensors", "File too large"}, 1, options);
}

TEST_F(BadOutput, ParentFoldersThatWereCreatedGoAgain) {
  RunOptions options;
  options.file_size_limit_bytes = 4096;
  expect_refused(prune_to(root() / "new" / "deeper" / "out"), {"File too large"}, 1, options);
}

TEST_F(BadOutput, PolicyThatCannotBeWrittenWhole) {
  RunOptions options;
  options.file_size_limit_bytes = 100;
  const std::vector<std::string> train{"train",      model(), "-o", root() / "policy", "--ratio", "0.25",
                                       "--episodes", "1",     "-q"};
  expect_refused(train, {"policy", "File too large"}, 1, options);
}

TEST_F(BadOutput, ReportThatCannotBeWrittenWholeLeavesNoHalfReport) {
  RunOptions options;
  options.file_size_limit_bytes = 10'000;  // more than the weights, less than a report
  const RunResult result = run_prunenet(prune({"--report", root() / "report.html"}), options);
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("report.html"), std::string::npos) << result.err;
  for (const auto& entry : fs::directory_iterator(root())) {
    EXPECT_TRUE(entry.path() == model() || entry.path() == out()) << entry.path();
  }
}

TEST_F(BadOutput, ForceReplacesACheckpointAndNothingElse) {
  tiny_model(2).write(out());
  write_bytes(out() / "old-notes.txt", "belongs to the former folder");
  write_bytes(root() / "neighbour", "stays");
  const RunResult result = run_prunenet(prune({"--force"}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_FALSE(fs::exists(out() / "old-notes.txt"));
  EXPECT_TRUE(fs::exists(out() / "prunenet.json"));
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(root())) names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"model", "neighbour", "out"}));
}

}  // namespace
}  // namespace prunenet::test
