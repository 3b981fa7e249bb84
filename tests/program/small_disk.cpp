// Mounting in a child process and telling the parent, over a pipe, how it went.
#include "program/small_disk.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <fstream>

namespace prunenet::test {
namespace fs = std::filesystem;
namespace {

constexpr int kCannotMount = 77;

void write_line(const char* path, const std::string& text) {
  std::ofstream(path) << text;
}

// A mount namespace of its own: as root directly, else as root of a user namespace.
bool enter_namespace() {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write_line("/proc/self/setgroups", "deny");
    write_line("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_line("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

std::string run_in_child(const fs::path& folder, const std::vector<std::string>& arguments) {
  const RunResult run = run_prunenet(arguments);
  nlohmann::json told = {{"status", run.status}, {"out", run.out}, {"err", run.err}, {"left", nlohmann::json::array()}};
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    told["left"].push_back(fs::relative(entry.path(), folder).string());
  }
  return told.dump();
}

}  // namespace

std::optional<SmallDiskResult> run_on_small_disk(const fs::path& folder, const SmallDisk& disk,
                                                 const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    const unsigned long flags = disk.read_only ? MS_RDONLY : 0;
    if (!enter_namespace() || ::mount("tmpfs", folder.c_str(), "tmpfs", flags, disk.options.c_str()) != 0) {
      ::_exit(kCannotMount);
    }
    try {
      const std::string told = run_in_child(folder, arguments);
      const ssize_t written = ::write(ends[1], told.data(), told.size());
      ::_exit(written == static_cast<ssize_t>(told.size()) ? 0 : 1);
    } catch (const std::exception&) {
      ::_exit(1);
    }
  }
  ::close(ends[1]);
  std::string told;
  std::array<char, 4096> block;
  for (;;) {
    const ssize_t count = ::read(ends[0], block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    told.append(block.data(), static_cast<size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotMount) return std::nullopt;
  SmallDiskResult result;
  const auto json = nlohmann::json::parse(told, nullptr, false);
  if (!json.is_object()) {
    result.run.err = "the process on the small disk ended without a word";
    return result;
  }
  result.run.status = json["status"];
  result.run.out = json["out"];
  result.run.err = json["err"];
  result.left = json["left"].get<std::vector<std::string>>();
  return result;
}

}  // namespace prunenet::test
