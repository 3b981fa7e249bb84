// Runs that are interrupted, killed, or get in each other's way. The hollow model makes the writing long enough to be
// stopped in its middle; the process then stands still (SIGSTOP) while the test looks, so nothing here is a race.
#include <signal.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "program/refusal.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

const TinySizes kHollow{64, 4096, 60, 16};           // 180 MiB
constexpr uint64_t kHollowOutputBytes = 135u << 20;  // a little more, in truth

class Interrupted : public Refusal {
 protected:
  fs::path partial() const { return root() / ".out.prunenet-partial"; }

  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(root())) found.insert(entry.path().filename());
    return found;
  }

  // A process that stands still in the middle of writing the weights. On a busy machine it may be over before this one
  // looks: then the next is tried.
  std::unique_ptr<RunningProgram> stopped_while_writing(const std::vector<std::string>& arguments) const {
    const auto former = fs::exists(out()) ? std::optional(folder_contents(out())) : std::nullopt;
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto program = std::make_unique<RunningProgram>(prunenet_command(arguments));
      for (int i = 0; i < 30'000 && written_bytes() < 1'000'000 && !fs::exists(out() / "prunenet.json"); ++i) {
        std::this_thread::sleep_for(milliseconds(1));
      }
      if (program->stop() && written_bytes() >= 1'000'000 && written_bytes() < kHollowOutputBytes) return program;
      program.reset();
      fs::remove_all(out());
      fs::remove_all(partial());
      if (!former) continue;
      fs::create_directory(out());
      for (const auto& [name, bytes] : *former) write_bytes(out() / name, bytes);
    }
    return nullptr;
  }

  uint64_t written_bytes() const {
    std::error_code error;
    const auto size = fs::file_size(partial() / "model.safetensors", error);
    return error ? 0 : size;
  }

  void expect_interrupted(RunningProgram& program, const std::set<std::string>& left) const {
    const RunResult result = program.wait();
    EXPECT_EQ(result.status, 130) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
    EXPECT_EQ(names(), left);
  }

  static bool has_a_part(const fs::path& journal) {
    std::error_code error;
    for (fs::directory_iterator entry(journal, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == ".part" && entry->path().filename() != "identity.part") return true;
    }
    return false;
  }

  using Part = std::pair<std::string, fs::file_time_type>;
  // What is kept, and since when. A part that goes away meanwhile is left out.
  static std::set<Part> parts(const fs::path& journal) {
    std::set<Part> found;
    std::error_code error;
    for (fs::directory_iterator entry(journal, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() != ".part") continue;
      std::error_code gone;
      const auto since = fs::last_write_time(entry->path(), gone);
      if (!gone) found.emplace(entry->path().filename(), since);
    }
    return found;
  }

  // What was finished stays in `journal`, and nothing else; the message says so.
  void expect_training_can_be_interrupted(const std::vector<std::string>& arguments, int signal,
                                          const std::string& journal) const {
    tiny_model().write(model());
    const auto before = folder_contents(model());
    RunningProgram program(prunenet_command(arguments));
    ASSERT_TRUE(program.wait_for_handler(signal));
    for (int i = 0; i < 30'000 && !has_a_part(root() / journal); ++i) std::this_thread::sleep_for(milliseconds(1));
    std::this_thread::sleep_for(milliseconds(50));  // well into a million episodes
    program.send(signal);
    const RunResult result = program.wait();
    EXPECT_EQ(result.status, 130) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("interrupted; no output was written, and what is finished is kept in " +
                              (root() / journal).string()),
              std::string::npos)
        << result.err;
    EXPECT_TRUE(result.err.ends_with("the same command goes on from there\n")) << result.err;
    EXPECT_EQ(result.err.find("error: "), result.err.rfind("error: ")) << "said twice: " << result.err;
    EXPECT_EQ(names(), (std::set<std::string>{"model", journal}));
    EXPECT_EQ(folder_contents(model()), before);
  }
};

TEST_F(Interrupted, TrainingByCtrlC) {
  expect_training_can_be_interrupted(prune_with({"--ratio", "0.25", "--method", "prunenet", "--episodes", "1000000"}),
                                     SIGINT, ".out.prunenet-journal");
}

TEST_F(Interrupted, TrainingByTheServiceManager) {
  expect_training_can_be_interrupted(prune_with({"--ratio", "0.25", "--method", "prunenet", "--episodes", "1000000"}),
                                     SIGTERM, ".out.prunenet-journal");
}

TEST_F(Interrupted, TrainingByALostTerminal) {
  expect_training_can_be_interrupted(prune_with({"--ratio", "0.25", "--method", "prunenet", "--episodes", "1000000"}),
                                     SIGHUP, ".out.prunenet-journal");
}

TEST_F(Interrupted, NohupOutlivesALostTerminal) {
  const std::string nohup = "/usr/bin/nohup";
  if (!fs::exists(nohup)) GTEST_SKIP() << "there is no " << nohup;
  tiny_model().write(model());
  std::vector<std::string> words =
      prunenet_command(prune_with({"--ratio", "0.25", "--method", "prunenet", "--episodes", "1000000"}));
  words.insert(words.begin(), nohup);
  RunningProgram program(words);
  ASSERT_TRUE(program.wait_for_handler(SIGTERM));
  program.send(SIGHUP);
  ASSERT_TRUE(program.stop()) << "the lost terminal ended it";
  const fs::path journal = root() / ".out.prunenet-journal";
  // One more could be the last act of a run that ends: several cannot.
  std::set<Part> there = parts(journal);
  program.send(SIGCONT);
  int64_t later = 0;
  for (int i = 0; i < 30'000 && later < 20; ++i) {
    std::this_thread::sleep_for(milliseconds(1));
    for (const Part& part : parts(journal)) later += there.insert(part).second;
  }
  EXPECT_GE(later, 20) << "it goes on";
  program.send(SIGTERM);
  EXPECT_EQ(program.wait().status, 130);
}

TEST_F(Interrupted, TrainVerbByCtrlC) {
  expect_training_can_be_interrupted(
      {"train", model(), "-o", root() / "policy", "--ratio", "0.25", "--episodes", "1000000"}, SIGINT,
      ".policy.prunenet-journal");
}

TEST_F(Interrupted, WritingByCtrlC) {
  write_hollow_model(model(), kHollow);
  const auto program = stopped_while_writing(prune());
  ASSERT_TRUE(program);
  program->send(SIGINT);
  program->send(SIGCONT);
  expect_interrupted(*program, {"model"});
}

TEST_F(Interrupted, ReplacingByCtrlCKeepsTheFormerFolder) {
  write_hollow_model(model(), kHollow);
  tiny_model(2).write(out());
  const auto before = folder_contents(out());
  const auto program = stopped_while_writing(prune({"--force"}));
  ASSERT_TRUE(program);
  program->send(SIGINT);
  program->send(SIGCONT);
  expect_interrupted(*program, {"model", "out"});
  EXPECT_EQ(folder_contents(out()), before);
}

TEST_F(Interrupted, AKilledRunIsClearedAwayByTheNext) {
  write_hollow_model(model(), kHollow);
  const auto program = stopped_while_writing(prune());
  ASSERT_TRUE(program);
  program->send(SIGKILL);
  EXPECT_EQ(program->wait().status, 128 + SIGKILL);
  EXPECT_EQ(names(), (std::set<std::string>{"model", ".out.prunenet-partial"}));
  const RunResult again = run_prunenet(prune());
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(names(), (std::set<std::string>{"model", "out"}));
  EXPECT_EQ(prunenet_json({"inspect", out()})["ffn_widths"], std::vector<int64_t>(kHollow.layers, 3072));
}

TEST_F(Interrupted, ASecondRunForTheSameOutputIsRefused) {
  write_hollow_model(model(), kHollow);
  const auto first = stopped_while_writing(prune());
  ASSERT_TRUE(first);
  for (const std::string force : {"--quiet", "--force"}) {
    const RunResult second = run_prunenet(prune({force}));
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.err.find(out().string() + ": another process is writing it just now"), std::string::npos)
        << second.err;
  }
  first->send(SIGCONT);
  const RunResult result = first->wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(names(), (std::set<std::string>{"model", "out"}));
  EXPECT_EQ(prunenet_json({"inspect", out()})["ffn_widths"], std::vector<int64_t>(kHollow.layers, 3072));
}

// Also where the first has nothing to keep yet: hours may lie between the start and the first part.
TEST_F(Interrupted, ASecondRunOfLongWorkIsRefusedFromTheStart) {
  tiny_model().write(model());
  const auto words = prune_with({"--ratio", "0.25", "--method", "prunenet", "--episodes", "1000000"});
  RunningProgram first(prunenet_command(words));
  const fs::path journal = root() / ".out.prunenet-journal";
  for (int i = 0; i < 30'000 && !fs::exists(journal / "identity.part"); ++i)
    std::this_thread::sleep_for(milliseconds(1));
  ASSERT_TRUE(first.stop());
  const RunResult second = run_prunenet(words);
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find(journal.string() + ": another process is at work on this output"), std::string::npos)
      << second.err;
  EXPECT_TRUE(fs::exists(journal / "identity.part"));
  first.send(SIGKILL);
  EXPECT_EQ(first.wait().status, 128 + SIGKILL);
}

TEST_F(Interrupted, OfRunsStartedTogetherExactlyOneWrites) {
  tiny_model().write(model());
  for (int round = 0; round < 5; ++round) {
    RunningProgram a(prunenet_command(prune())), b(prunenet_command(prune())), c(prunenet_command(prune()));
    int done = 0;
    for (RunningProgram* program : {&a, &b, &c}) {
      const RunResult result = program->wait();
      done += result.status == 0;
      if (result.status == 0) continue;
      EXPECT_EQ(result.status, 1);
      EXPECT_NE(result.err.find(out()), std::string::npos) << result.err;
    }
    EXPECT_EQ(done, 1);
    EXPECT_EQ(names(), (std::set<std::string>{"model", "out"}));
    fs::remove_all(out());
  }
}

}  // namespace
}  // namespace prunenet::test
