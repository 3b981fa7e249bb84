// Running programs: fork, pipes, exec, and a clock.
#include "program/run.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace prunenet::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1, write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot create a pipe");
  return {ends[0], ends[1]};
}

// In the child, between fork and exec: nothing here may allocate.
[[noreturn]] void become(char* const* arguments, const RunOptions& options, const Pipe& out, const Pipe& err) {
  ::dup2(out.write_end, STDOUT_FILENO);
  ::dup2(err.write_end, STDERR_FILENO);
  if (options.file_size_limit_bytes) {
    const rlimit limit{*options.file_size_limit_bytes, *options.file_size_limit_bytes};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(126);
  }
  if (!options.working_folder.empty() && ::chdir(options.working_folder.c_str()) != 0) ::_exit(126);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

// False at the end of the stream.
bool take(int descriptor, std::string& text) {
  std::array<char, 1 << 16> block;
  const ssize_t count = ::read(descriptor, block.data(), block.size());
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  text.append(block.data(), static_cast<size_t>(count));
  return true;
}

}  // namespace

RunningProgram::RunningProgram(const std::vector<std::string>& command, const RunOptions& options) : options_(options) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const Pipe out = make_pipe(), err = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) become(arguments.data(), options_, out, err);
  ::close(out.write_end);
  ::close(err.write_end);
  out_ = out.read_end;
  err_ = err.read_end;
}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(out_);
  ::close(err_);
}

void RunningProgram::send(int signal) const {
  ::kill(pid_, signal);
}

bool RunningProgram::stop() {
  send(SIGSTOP);
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0) return false;
  return info.si_code == CLD_STOPPED;
}

bool RunningProgram::wait_for_handler(int signal) const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/status";
  for (const auto end = Clock::now() + std::chrono::seconds(30); Clock::now() < end;) {
    std::ifstream status(path);
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("State:") && line.find('Z') != line.npos) return false;
      if (line.starts_with("SigCgt:") && (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0)
        return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

RunResult RunningProgram::wait() {
  RunResult result;
  const auto end = Clock::now() + std::chrono::duration<double>(options_.timeout_s);
  std::array<pollfd, 2> streams{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left_ms <= 0 && !result.timed_out) {
      result.timed_out = true;
      send(SIGKILL);
    }
    ::poll(streams.data(), streams.size(), left_ms <= 0 ? 1000 : static_cast<int>(left_ms));
    if (streams[0].fd >= 0 && streams[0].revents != 0 && !take(out_, result.out)) streams[0].fd = -1;
    if (streams[1].fd >= 0 && streams[1].revents != 0 && !take(err_, result.err)) streams[1].fd = -1;
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

RunResult run_program(const std::vector<std::string>& command, const RunOptions& options) {
  return RunningProgram(command, options).wait();
}

std::vector<std::string> prunenet_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{PRUNENET_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

RunResult run_prunenet(const std::vector<std::string>& arguments, const RunOptions& options) {
  return run_program(prunenet_command(arguments), options);
}

nlohmann::json prunenet_json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const RunResult result = run_prunenet(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << "stdout: " << result.out;
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace prunenet::test
