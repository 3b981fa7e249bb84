// Running a program as a user would: arguments in, stdout, stderr and exit status out. No shell in between.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace prunenet::test {

struct RunOptions {
  std::optional<uint64_t> file_size_limit_bytes;  // RLIMIT_FSIZE: no file may grow beyond
  std::filesystem::path working_folder;           // empty: this process's own
  double timeout_s = 120;                         // then it is killed
};

struct RunResult {
  int status = -1;  // exit status, or 128 + the signal that ended it
  bool timed_out = false;
  std::string out, err;
};

/// A program that was started and is waited for later.
class RunningProgram {
 public:
  RunningProgram(const std::vector<std::string>& command, const RunOptions& options = {});
  /// Kills it when it still runs.
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const;
  /// Sends SIGSTOP and waits until it stands still. False when it ended before.
  bool stop();
  /// Waits until it has a handler for `signal` (or has ended, or 30 s are over: false).
  bool wait_for_handler(int signal) const;
  RunResult wait();

 private:
  RunOptions options_;
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
};

RunResult run_program(const std::vector<std::string>& command, const RunOptions& options = {});

/// The command line of prunenet with these arguments.
std::vector<std::string> prunenet_command(const std::vector<std::string>& arguments);
RunResult run_prunenet(const std::vector<std::string>& arguments, const RunOptions& options = {});

/// Runs prunenet with --json, expects success and gives what it printed. A null object after a failure.
nlohmann::json prunenet_json(std::vector<std::string> arguments);

}  // namespace prunenet::test
