// A disk with little room: what fits once is written, and what does not is refused in plain words before it is begun.
// The disk is a file system in memory that only a child process sees.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "sliced_gguf.h"
#include "support/tiny_model.h"

namespace prunenet {
namespace {

using namespace test;

constexpr int kNoDisk = 77;  // this system lets nobody mount one

void write_once(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || ::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(kNoDisk);
  ::close(file);
}

// Ends this process: with 0 when nothing is thrown by `work` while `folder` is a disk of so many bytes.
[[noreturn]] void run_on_small_disk(const std::filesystem::path& folder, uint64_t bytes,
                                    const std::function<void()>& work) {
  const uid_t user = ::getuid();
  const gid_t group = ::getgid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(kNoDisk);
  write_once("/proc/self/setgroups", "deny");
  write_once("/proc/self/uid_map", fmt::format("0 {} 1", user));
  write_once("/proc/self/gid_map", fmt::format("0 {} 1", group));
  if (::mount("prunenet-test", folder.c_str(), "tmpfs", 0, fmt::format("size={}", bytes).c_str()) != 0)
    ::_exit(kNoDisk);
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ::_exit(1);
  }
  ::_exit(0);
}

// Runs `work` so; its failure is the test's.
#define EXPECT_ON_SMALL_DISK(folder, bytes, work)                                              \
  do {                                                                                         \
    bool mounted = true;                                                                       \
    EXPECT_EXIT(run_on_small_disk(folder, bytes, work), ([&](int status) {                     \
                  mounted = !WIFEXITED(status) || WEXITSTATUS(status) != kNoDisk;              \
                  return !mounted || (WIFEXITED(status) && WEXITSTATUS(status) == 0);          \
                }),                                                                            \
                "");                                                                           \
    if (!mounted) GTEST_SKIP() << "this system lets no process have a file system of its own"; \
  } while (false)

void expect_refused(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    const std::string text = error.what();
    if (error.code() == ErrorCode::kNoSpace && text.find("the disk has") != text.npos) return;
    throw;
  }
  throw std::runtime_error("was not refused");
}

TEST_F(SliceGguf, AFileThatFitsOnceIsWrittenAndALargerOneRefused) {
  open(tiny_gguf(Dtype::kF32));
  const Edits edits{.mask = {.kept = three(spread(500, 768))}};
  write(edits);
  const auto size = static_cast<double>(std::filesystem::file_size(folder / "out.gguf"));
  const auto disk = folder / "disk";
  std::filesystem::create_directory(disk);
  const auto write_there = [&] {
    SilentProgress progress;
    write_slice(*checkpoint, plan(edits), disk / "out.gguf", {}, progress);
  };
  EXPECT_ON_SMALL_DISK(disk, static_cast<uint64_t>(1.3 * size), write_there);
  EXPECT_ON_SMALL_DISK(disk, static_cast<uint64_t>(0.9 * size), [&] { expect_refused(write_there); });
}

TEST(SliceOnSmallDisk, AFolderThatFitsOnceIsWrittenAndALargerOneRefused) {
  const TemporaryFolder folder;
  tiny_model(1, {.hidden = 64, .width = 4096, .layers = 2, .vocab = 16}).write(folder / "in");
  const Checkpoint checkpoint(folder / "in");
  const ModelDescription model = describe_model(checkpoint);
  Mask mask = whole_mask(model);
  for (auto& kept : mask.kept) kept = spread(3000, 4096);
  const SlicePlan plan = plan_slice(checkpoint, model, mask);
  SilentProgress progress;
  const auto size = static_cast<double>(write_slice(checkpoint, plan, folder / "out", {}, progress));
  const auto disk = folder / "disk";
  std::filesystem::create_directory(disk);
  for (const uint64_t shard : {kDefaultMaxShardBytes, uint64_t{2'000'000}}) {
    const auto write_there = [&] {
      SliceOptions options;
      options.max_shard_bytes = shard;
      write_slice(checkpoint, plan, disk / "out", options, progress);
    };
    EXPECT_ON_SMALL_DISK(disk, static_cast<uint64_t>(1.3 * size), write_there);
    EXPECT_ON_SMALL_DISK(disk, static_cast<uint64_t>(0.9 * size), [&] { expect_refused(write_there); });
  }
}

}  // namespace
}  // namespace prunenet
