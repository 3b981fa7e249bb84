// Runs that were stopped and go on: whatever stopped them and wherever, the same command ends with the bytes of a run
// that nothing disturbed, and leaves nothing else. Kills wait for the parts of the journal, so that each hits another
// stage.
#include <signal.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/hash.h"
#include "program/refusal.h"
#include "program/runtime.h"
#include "program/small_disk.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const fs::path kDemo = fs::path(PRUNENET_SOURCE_DIR) / "demo" / "stories1M";

const Words kSelf{"--ratio",        "0.3", "--own-text",          "8", "--tokens", "48",
                  "--neuron-steps", "1",   "--neuron-iterations", "2", "--check",  "2",
                  "--threads",      "1"};
const Words kPolicy{"--ratio", "0.3", "--method", "prunenet", "--episodes", "12", "--threads", "1"};

// The file of a part in a journal.
std::string file_of_part(const std::string& name) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(name)));
  return hash.hex_digest().substr(0, 32) + ".part";
}

class Resume : public Refusal {
 protected:
  Words command(const std::string& verb, const fs::path& to, const Words& options) const {
    return Words{verb, source, "-o", to} + options;
  }
  fs::path journal(const fs::path& to) const {
    return to.parent_path() / ("." + to.filename().string() + ".prunenet-journal");
  }
  static size_t num_parts(const fs::path& journal) {
    std::error_code error;
    size_t count = 0;
    for (fs::directory_iterator entry(journal, error), end; !error && entry != end; entry.increment(error))
      count += entry->path().extension() == ".part" && entry->path().filename() != "identity.part";
    return count;
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(root())) found.insert(entry.path().filename());
    return found;
  }

  // Starts the command and sends the signal once `reached` is true; what became of the run.
  template <typename Reached>
  RunResult stopped_when(const Words& arguments, int signal, const Reached& reached) const {
    RunningProgram program(prunenet_command(arguments));
    const std::string status = "/proc/" + std::to_string(program.pid()) + "/stat";
    for (int i = 0; i < 60'000 && !reached(); ++i) {
      if (read_bytes(status).find(") Z ") != std::string::npos) break;  // over before
      std::this_thread::sleep_for(milliseconds(1));
    }
    program.send(signal);
    return program.wait();
  }
  RunResult stopped_at_parts(const Words& arguments, int signal, const fs::path& to, size_t parts) const {
    return stopped_when(arguments, signal, [&] { return num_parts(journal(to)) >= parts; });
  }

  // Kills the command again and again, each time when `step` more parts are there than the time before; then lets it
  // end.
  int killed_on_its_way(const Words& arguments, const fs::path& to, size_t step) const {
    int kills = 0;
    for (size_t parts = 1;; parts += step) {
      const RunResult run = stopped_at_parts(arguments, SIGKILL, to, parts);
      if (run.status == 0) return kills;
      EXPECT_EQ(run.status, 128 + SIGKILL) << run.err;
      if (run.status != 128 + SIGKILL) return kills;
      ++kills;
      // Killed when the run had ended but for the process itself: there is nothing to go on from.
      if (fs::exists(to) && !fs::exists(journal(to))) {
        EXPECT_EQ(run_prunenet(arguments).status, 1) << "it exists already";
        return kills;
      }
    }
  }
  void expect_same(const fs::path& a, const fs::path& b) const {
    if (fs::is_regular_file(a)) {
      EXPECT_TRUE(read_bytes(a) == read_bytes(b)) << b;
      return;
    }
    const auto first = folder_contents(a), second = folder_contents(b);
    EXPECT_GT(first.size(), 2U);
    EXPECT_EQ(first.size(), second.size());
    for (const auto& [name, bytes] : first) EXPECT_TRUE(second.contains(name) && second.at(name) == bytes) << name;
  }
  void expect_kills_change_nothing(const std::string& verb, const Words& options, const std::string& suffix,
                                   size_t step) const {
    const fs::path undisturbed = root() / ("undisturbed" + suffix), killed = root() / ("killed" + suffix);
    const RunResult run = run_prunenet(command(verb, undisturbed, options + Words{"-q"}));
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_GE(killed_on_its_way(command(verb, killed, options), killed, step), 2);
    expect_same(undisturbed, killed);
    std::set<std::string> left{"killed" + suffix, "undisturbed" + suffix};
    if (source == model()) left.insert("model");
    EXPECT_EQ(names(), left);
  }
  // Three layers of almost nothing, so that all of the work is small.
  void use_tiny_model() {
    TinyModel made = tiny_model(1, {.hidden = 16, .width = 64, .layers = 3});
    made.config["bos_token_id"] = 1;
    made.write(model());
    source = model();
  }

  fs::path source = kDemo;
};

TEST_F(Resume, SelfCalibratedPruningIntoAFolder) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_kills_change_nothing("prune", kSelf, "", 17);
}

TEST_F(Resume, SelfCalibratedPruningIntoAFile) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_kills_change_nothing("prune", kSelf, ".gguf", 40);
}

TEST_F(Resume, HeadsLayersAndSharesOfTheirOwn) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words little{"--own-text", "4", "--tokens", "24", "--neuron-steps", "0", "--check", "2", "--threads", "1"};
  expect_kills_change_nothing("prune", Words{"--ratio", "0.3", "--heads", "0.5", "--layers", "1"} + little, "", 30);
}

TEST_F(Resume, AMixOfAllThree) {
  PRUNENET_REQUIRE_RUNTIME();
  use_tiny_model();
  const Words little{"--own-text", "8", "--tokens", "16", "--neuron-steps", "0", "--check", "2", "--threads", "1"};
  expect_kills_change_nothing("prune", Words{"--ratio-total", "0.15", "--width-multiple", "8"} + little, "", 14);
}

TEST_F(Resume, ThePublishedPolicyIntoAFolder) {
  expect_kills_change_nothing("prune", kPolicy, "", 4);
}

TEST_F(Resume, ThePublishedPolicyIntoAFile) {
  expect_kills_change_nothing("prune", kPolicy, ".gguf", 4);
}

TEST_F(Resume, Training) {
  expect_kills_change_nothing("train", {"--ratio", "0.3", "--episodes", "12", "--threads", "1"}, ".safetensors", 4);
}

// Killed where the output comes into being, or has its place already while the run is not done.
TEST_F(Resume, WhileTheOutputIsWritten) {
  for (const std::string suffix : {"", ".gguf"}) {
    const fs::path undisturbed = root() / ("undisturbed" + suffix), killed = root() / ("killed" + suffix);
    ASSERT_EQ(run_prunenet(command("prune", undisturbed, kPolicy)).status, 0);
    const Words again = command("prune", killed, kPolicy);
    const fs::path part = journal(killed) / file_of_part("output");
    const RunResult run = stopped_when(again, SIGKILL, [&] { return fs::exists(part); });
    if (run.status == 0) continue;  // over before this process looked: on a busy machine that may be
    EXPECT_TRUE(fs::exists(part));
    if (!fs::exists(killed)) fs::copy(undisturbed, killed, fs::copy_options::recursive);  // as if it had come further
    const RunResult last = run_prunenet(again);
    EXPECT_EQ(last.status, 0) << last.err;
    expect_same(undisturbed, killed);
    EXPECT_FALSE(fs::exists(journal(killed)));
  }
}

TEST_F(Resume, DoesNotReplaceWhatIsNotItsOwn) {
  const Words words = command("prune", out(), kPolicy);
  const RunResult run =
      stopped_when(words, SIGKILL, [&] { return fs::exists(journal(out()) / file_of_part("output")); });
  if (run.status == 0) GTEST_SKIP() << "the run was over before this process looked";
  fs::remove_all(out());
  ASSERT_EQ(run_prunenet(Words{"prune", kDemo, "-o", out(), "--ratio", "0.3", "--method", "random"}).status, 1)
      << "another command for the same output";
  ASSERT_EQ(run_prunenet(Words{"prune", kDemo, "-o", root() / "other", "--ratio", "0.3", "--method", "random"}).status,
            0);
  fs::rename(root() / "other", out());
  expect_refused(words, {out(), "exists already; --force replaces it"});
  const RunResult forced = run_prunenet(words + Words{"--force"});
  EXPECT_EQ(forced.status, 0) << forced.err;
  EXPECT_EQ(names(), (std::set<std::string>{"out"}));
}

TEST_F(Resume, CtrlCSaysWhatIsKeptAndHowToGoOn) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words words = command("prune", out(), kSelf);
  size_t parts = 12;
  for (const int signal : {SIGINT, SIGTERM}) {
    const RunResult run = stopped_at_parts(words, signal, out(), parts);
    ASSERT_EQ(run.status, 130) << run.err;
    for (const std::string& fragment :
         Words{"error: interrupted; no output was written, and what is finished is kept in " + journal(out()).string(),
               " parts, ", "the same command goes on from there"}) {
      EXPECT_NE(run.err.find(fragment), std::string::npos) << "'" << fragment << "' is not in: " << run.err;
    }
    EXPECT_EQ(names(), (std::set<std::string>{".out.prunenet-journal"}));
    EXPECT_GE(num_parts(journal(out())), parts);
    parts = num_parts(journal(out())) + 3;  // so that the next run is at work when it is stopped
  }
  const RunResult last = run_prunenet(words);
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_NE(last.err.find("going on from an unfinished run of this command, which has finished"), std::string::npos)
      << last.err;
  EXPECT_EQ(names(), (std::set<std::string>{"out"}));
}

TEST_F(Resume, AnotherCommandIsRefusedUnlessItBeginsAnew) {
  PRUNENET_REQUIRE_RUNTIME();
  const RunResult run = stopped_at_parts(command("prune", out(), kSelf), SIGKILL, out(), 12);
  ASSERT_EQ(run.status, 128 + SIGKILL);
  const Words other = command("prune", out(), kSelf + Words{"--seed", "7"});
  expect_refused(other,
                 {".out.prunenet-journal", "--seed was '42' there and is '7' now", "--restart", "another output"});
  const RunResult threads =
      stopped_at_parts(command("prune", out(), kSelf + Words{"-q"}), SIGINT, out(), num_parts(journal(out())) + 3);
  EXPECT_EQ(threads.status, 130) << "what decides no byte is no difference: " << threads.err;
  const RunResult anew = run_prunenet(other + Words{"--restart"});
  EXPECT_EQ(anew.status, 0) << anew.err;
  EXPECT_EQ(anew.err.find("going on"), std::string::npos) << anew.err;
  const fs::path undisturbed = root() / "undisturbed";
  ASSERT_EQ(run_prunenet(command("prune", undisturbed, kSelf + Words{"--seed", "7"})).status, 0);
  expect_same(undisturbed, out());
}

TEST_F(Resume, TheResultsThatArePrintedAreThoseOfAnUndisturbedRun) {
  PRUNENET_REQUIRE_RUNTIME();
  const auto results = [&](const fs::path& to) {
    auto json = prunenet_json(command("prune", to, kSelf + Words{"--report", to.string() + ".html"}));
    for (const char* key : {"output", "elapsed_s", "peak_rss_bytes", "phases"}) json.erase(key);
    return json;
  };
  const auto expected = results(root() / "undisturbed");
  const Words report{"--report", out().string() + ".html", "--json"};
  for (const size_t parts : {35U, 40U}) {
    const RunResult run = stopped_at_parts(command("prune", out(), kSelf + report), SIGKILL, out(), parts);
    ASSERT_NE(run.status, 1) << run.err;
  }
  if (fs::exists(out())) return;  // over before this process looked
  EXPECT_EQ(results(out()), expected);
}

TEST_F(Resume, AFileThatCannotGrowIsAFullDisk) {
  PRUNENET_REQUIRE_RUNTIME();
  RunOptions limit;
  limit.file_size_limit_bytes = 400'000;  // more than any part, less than the weights
  const RunResult full = run_prunenet(command("prune", out(), kSelf), limit);
  EXPECT_EQ(full.status, 1) << full.err;
  for (const std::string& fragment : Words{"File too large", "what is finished is kept in " + journal(out()).string(),
                                           "the same command goes on from there when there is room"}) {
    EXPECT_NE(full.err.find(fragment), std::string::npos) << "'" << fragment << "' is not in: " << full.err;
  }
  EXPECT_EQ(names(), (std::set<std::string>{".out.prunenet-journal"}));
  const RunResult last = run_prunenet(command("prune", out(), kSelf));
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_NE(last.err.find("which has finished 5 of 5 layers"), std::string::npos) << last.err;
  ASSERT_EQ(run_prunenet(command("prune", root() / "undisturbed", kSelf)).status, 0);
  expect_same(root() / "undisturbed", out());
}

TEST_F(Resume, ADiskThatFillsUpOnTheWay) {
  PRUNENET_REQUIRE_RUNTIME();
  const fs::path disk = root() / "disk";
  fs::create_directory(disk);
  const auto result = run_on_small_disk(disk, {"nr_inodes=30", false}, command("prune", disk / "out", kSelf));
  if (!result) GTEST_SKIP() << "this user may not mount a small disk";
  EXPECT_EQ(result->run.status, 1) << result->run.err;
  for (const std::string& fragment : Words{"cannot keep what is finished: No space left on device",
                                           "what is finished is kept in", "when there is room"}) {
    EXPECT_NE(result->run.err.find(fragment), std::string::npos)
        << "'" << fragment << "' is not in: " << result->run.err;
  }
  size_t parts = 0;
  for (const std::string& name : result->left) {
    parts += name.ends_with(".part");
    EXPECT_FALSE(name.ends_with(".new")) << name;
  }
  EXPECT_GT(parts, 5U);
}

// A run that can never end well keeps nothing.
TEST_F(Resume, WhatFailsInTheSameWayAgainKeepsNothing) {
  PRUNENET_REQUIRE_RUNTIME();
  TinyModel made = tiny_model(1, {.hidden = 16, .width = 64, .layers = 3});
  made.config["bos_token_id"] = 1;
  made.set(tiny_ffn_tensor(2, "down"), 3, std::numeric_limits<float>::quiet_NaN());
  made.write(model());
  expect_refused({"prune", model(), "-o", out(), "--quiet", "--ratio", "0.3", "--own-text", "8", "--tokens", "32",
                  "--calibration", "random-tokens", "--weighting", "plain", "--refit", "one-shot", "--check", "0"},
                 {"layer 2 computes NaN"});
}

// The kill test of the bench, at random moments.
class SlowResume : public testing::Test {
 protected:
  static void expect_twenty_kills_change_nothing(const Words& words, const std::string& suffix) {
    PRUNENET_REQUIRE_SHARED_DATA(data);
    const Words command{"/usr/bin/env",
                        std::string("PROGRAM=") + PRUNENET_PROGRAM,
                        "SUFFIX=" + suffix,
                        (fs::path(PRUNENET_SOURCE_DIR) / "bench" / "kill_test.sh").string(),
                        (data / "models" / "stories260K").string(),
                        "20"};
    RunOptions options;
    options.timeout_s = 550;
    const RunResult run = run_program(command + words, options);
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    EXPECT_NE(run.out.find("20 rounds, 0 of them wrong"), std::string::npos) << run.out;
  }
};

TEST_F(SlowResume, SelfCalibratedPruningAtRandomMoments) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_twenty_kills_change_nothing({"prune", "--ratio", "0.3", "--own-text", "32", "--tokens", "64", "--check", "8"},
                                     "");
}

TEST_F(SlowResume, TheWholeChoiceAtRandomMoments) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_twenty_kills_change_nothing(
      {"prune", "--ratio", "0.3", "--allocate", "adaptive", "--own-text", "16", "--tokens", "32", "--check", "4"},
      ".gguf");
}

TEST_F(SlowResume, ThePublishedPolicyAtRandomMoments) {
  expect_twenty_kills_change_nothing({"prune", "--ratio", "0.3", "--method", "prunenet", "--episodes", "40"}, "");
}

TEST_F(SlowResume, TrainingAtRandomMoments) {
  expect_twenty_kills_change_nothing({"train", "--ratio", "0.3", "--episodes", "40"}, ".safetensors");
}

}  // namespace
}  // namespace prunenet::test
