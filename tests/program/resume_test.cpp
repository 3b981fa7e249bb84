// Runs that were stopped and go on: whatever stopped them and wherever, the same command ends with the bytes of a run
// that nothing disturbed, and leaves nothing else. Kills wait for the parts of the journal, so that each hits another
// stage.
#include <signal.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/hash.h"
#include "base/run_journal.h"
#include "program/demo_model.h"
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

const Words kSelf{"--ratio",        "0.3", "--own-text",          "8", "--tokens", "48",
                  "--neuron-steps", "1",   "--neuron-iterations", "2", "--check",  "2",
                  "--threads",      "1"};
const Words kPolicy{"--ratio", "0.3", "--method", "prunenet", "--episodes", "12", "--threads", "1"};

// More than any part of kPolicy on the demo model takes, and less than its smaller weights.
constexpr uint64_t kBelowWeights = 1'500'000;

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

  // Ends with all parts made and the output not in its place: the weights do not fit under the limit, the parts do.
  void stop_at_the_output(const Words& arguments, const fs::path& to, uint64_t limit_bytes) const {
    RunOptions limit;
    limit.file_size_limit_bytes = limit_bytes;
    const RunResult full = run_prunenet(arguments, limit);
    ASSERT_EQ(full.status, 1) << full.err;
    ASSERT_NE(full.err.find("File too large"), std::string::npos) << full.err;
    ASSERT_TRUE(fs::exists(journal(to) / file_of_part("output")));
    ASSERT_FALSE(fs::exists(to));
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

// Stopped where the output comes into being, or when it has its place already while the run is not done.
TEST_F(Resume, WhileTheOutputIsWritten) {
  for (const std::string suffix : {"", ".gguf"}) {
    for (const bool in_place : {false, true}) {
      const fs::path undisturbed = root() / ("undisturbed" + suffix), stopped = root() / ("stopped" + suffix);
      if (!fs::exists(undisturbed)) {
        ASSERT_EQ(run_prunenet(command("prune", undisturbed, kPolicy)).status, 0);
      }
      const Words again = command("prune", stopped, kPolicy);
      stop_at_the_output(again, stopped, kBelowWeights);
      if (in_place) fs::copy(undisturbed, stopped, fs::copy_options::recursive);  // as if it had come further
      const RunResult last = run_prunenet(again);
      EXPECT_EQ(last.status, 0) << last.err;
      expect_same(undisturbed, stopped);
      EXPECT_FALSE(fs::exists(journal(stopped)));
      fs::remove_all(stopped);
    }
  }
}

TEST_F(Resume, DoesNotReplaceWhatIsNotItsOwn) {
  const Words words = command("prune", out(), kPolicy);
  stop_at_the_output(words, out(), kBelowWeights);
  const Words random{"--ratio", "0.3", "--method", "random"};
  ASSERT_EQ(run_prunenet(command("prune", out(), random)).status, 1) << "another command for the same output";
  ASSERT_EQ(run_prunenet(command("prune", root() / "other", random)).status, 0);
  fs::rename(root() / "other", out());
  expect_refused(words, {out(), "exists already; --force replaces it"});
  const RunResult forced = run_prunenet(words + Words{"--force"});
  EXPECT_EQ(forced.status, 0) << forced.err;
  EXPECT_EQ(names(), (std::set<std::string>{"out"}));
}

// The output may be the run's own, and the report another's.
TEST_F(Resume, ReplacesNoReportButItsOwn) {
  const fs::path report = root() / "report.html", part = journal(out()) / file_of_part("report");
  const Words words = command("prune", out(), kPolicy + Words{"--report", report});
  const fs::path in_the_way = root() / ".report.html.prunenet-partial";
  fs::create_directories(in_the_way / "x");
  EXPECT_EQ(run_prunenet(words).status, 1) << "the output is written, the report is not";
  ASSERT_TRUE(fs::exists(out()) && fs::exists(part) && !fs::exists(report));
  fs::remove_all(in_the_way);

  // Of another seed: reports of one and the same result differ by their times alone, if at all.
  const Words another = kPolicy + Words{"--seed", "7", "--report", report};
  ASSERT_EQ(run_prunenet(command("prune", root() / "other", another)).status, 0);
  fs::remove_all(root() / "other");
  expect_refused(words, {report.string(), "exists already; --force overwrites it"});

  // As if the run had come further: what it remembers is the report that is there.
  Sha256 hash;
  const std::string html = read_bytes(report);
  hash.update(std::as_bytes(std::span(html)));
  const std::string digits = hash.hex_digest().substr(0, 16);
  {
    RunJournal other(root() / "other", {{"any", "other"}});
    other.put("report", std::as_bytes(std::span(digits)));
    fs::copy_file(journal(root() / "other") / part.filename(), part, fs::copy_options::overwrite_existing);
    other.finish();
  }
  const RunResult last = run_prunenet(words);
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_EQ(names(), (std::set<std::string>{"out", "report.html"}));
}

TEST_F(Resume, ATrainingSaysHowManyEpisodesAreDone) {
  for (const std::string verb : {"train", "prune"}) {
    SCOPED_TRACE(verb);
    const fs::path to = root() / verb;
    const Words words = command(
        verb, to,
        Words{"--ratio", "0.3", "--episodes", "1000000"} + (verb == "prune" ? Words{"--method", "prunenet"} : Words{}));
    const auto has_record = [&] { return fs::exists(journal(to) / file_of_part("policy.record")); };
    EXPECT_EQ(stopped_when(words, SIGINT, has_record).status, 130);
    ASSERT_TRUE(has_record());
    const RunResult again = stopped_when(words, SIGINT, [start = std::chrono::steady_clock::now()] {
      return std::chrono::steady_clock::now() - start > milliseconds(500);
    });
    EXPECT_EQ(again.status, 130);
    const std::string said = "going on from an unfinished run of this command, which has trained ";
    const size_t at = again.err.find(said);
    ASSERT_NE(at, again.err.npos) << again.err;
    EXPECT_GT(std::stoll(again.err.substr(at + said.size())), 0) << again.err;
    EXPECT_NE(again.err.find(" of 1000000 episodes: ", at), again.err.npos) << again.err;
  }
}

// The only thing that it can do there: throw away what another way of choosing has kept.
TEST_F(Resume, RestartOfWhatKeepsNothingClearsWhatAnotherKept) {
  const Words long_one{"--ratio", "0.3", "--method", "prunenet", "--episodes", "1000000"};
  ASSERT_EQ(stopped_at_parts(command("prune", out(), long_one), SIGINT, out(), 2).status, 130);
  const Words random{"--ratio", "0.3", "--method", "random"};
  expect_refused(command("prune", out(), random), {"--method was 'prunenet' there and is 'random' now", "--restart"});
  const RunResult anew = run_prunenet(command("prune", out(), random + Words{"--restart"}));
  EXPECT_EQ(anew.status, 0) << anew.err;
  EXPECT_EQ(names(), (std::set<std::string>{"out"}));
}

// Nothing that decides no byte is a difference, and no byte of the output comes of it.
TEST_F(Resume, MayAskForAReportLater) {
  PRUNENET_REQUIRE_RUNTIME();
  const fs::path undisturbed = root() / "undisturbed";
  ASSERT_EQ(run_prunenet(command("prune", undisturbed, kSelf)).status, 0);
  ASSERT_EQ(stopped_at_parts(command("prune", out(), kSelf), SIGKILL, out(), 12).status, 128 + SIGKILL);
  const RunResult last = run_prunenet(command("prune", out(), kSelf + Words{"--report", root() / "report.html"}));
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_NE(last.err.find("going on from"), std::string::npos) << last.err;
  EXPECT_TRUE(fs::exists(root() / "report.html"));
  expect_same(undisturbed, out());
}

// Hours of work are not thrown away for what somebody may mend.
TEST_F(Resume, ErrorsOfTheEnvironmentKeepWhatIsFinished) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words words = command("prune", out(), kSelf);
  ASSERT_EQ(stopped_at_parts(words, SIGKILL, out(), 12).status, 128 + SIGKILL);
  const size_t parts = num_parts(journal(out()));
  const RunResult missing =
      run_program(Words{"/usr/bin/env", "PRUNENET_MODULES=" + (root() / "nowhere").string()} + prunenet_command(words));
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("prunenet-runtime.so: "), std::string::npos) << missing.err;
  EXPECT_EQ(num_parts(journal(out())), parts);

  const RunResult last = run_prunenet(words);
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_NE(last.err.find("going on from"), std::string::npos) << last.err;
}

// Of equal words, from another run: --dtype may have been another, or the engine.
TEST_F(Resume, FromOtherMomentsIsRefused) {
  PRUNENET_REQUIRE_RUNTIME();
  const fs::path moments = root() / "moments";
  const Words options{"--ratio", "0.3", "--own-text", "8", "--tokens", "48", "--threads", "1", "--moments", moments};
  const Words words = command("prune", out(), options);
  const fs::path undisturbed = root() / "undisturbed";
  ASSERT_EQ(run_prunenet(command("prune", undisturbed, options)).status, 0);
  stop_at_the_output(words, out(), 400'000);
  const fs::path layer = moments / "layer-002.safetensors";
  const std::string bytes = read_bytes(layer);
  std::string changed = bytes;
  changed[changed.size() - 4] = static_cast<char>(changed[changed.size() - 4] ^ 1);  // the last bit of a number
  write_bytes(layer, changed);
  const RunResult other = run_prunenet(words);
  EXPECT_EQ(other.status, 1) << other.err;
  EXPECT_NE(
      other.err.find(moments.string() + ": holds other moments than those that an unfinished run of this command"),
      std::string::npos)
      << other.err;
  write_bytes(layer, bytes);
  const RunResult last = run_prunenet(words);
  EXPECT_EQ(last.status, 0) << last.err;
  expect_same(undisturbed, out());
}

// Two texts of as many tokens; and how a text becomes tokens is a matter of more files than one.
TEST_F(Resume, OfAnotherTextIsRefused) {
  PRUNENET_REQUIRE_RUNTIME();
  for (const bool with_moments : {false, true}) {
    write_bytes(root() / "text", "Once upon a time there was a little dog. He ran to the park and saw a big cat.");
    Words options{"--ratio",   "0.3", "--calibration",  root() / "text",
                  "--tokens",  "16",  "--check",        "0",
                  "--threads", "1",   "--neuron-steps", "0"};
    if (with_moments) {
      options.resize(options.size() - 2);
      options = options + Words{"--moments", root() / "moments"};
    }
    stop_at_the_output(command("prune", out(), options), out(), 400'000);
    fs::remove_all(root() / "moments");
    write_bytes(root() / "text", "Once upon a time there was a little cat. He ran to the park and saw a big dog.");
    expect_refused(command("prune", out(), options), {"the text of --calibration was '", "--restart"});
    fs::remove_all(journal(out()));
  }
}

TEST_F(Resume, CtrlCSaysWhatIsKeptAndHowToGoOn) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words words = command("prune", out(), kSelf + Words{"-q"});
  size_t parts = 12;
  for (const int signal : {SIGINT, SIGTERM}) {
    const RunResult run = stopped_at_parts(words, signal, out(), parts);
    ASSERT_EQ(run.status, 130) << run.err;
    for (const std::string& fragment :
         Words{"error: interrupted; no output was written, and what is finished is kept in " + journal(out()).string(),
               " parts, ", "the same command goes on from there"}) {
      EXPECT_NE(run.err.find(fragment), std::string::npos) << "'" << fragment << "' is not in: " << run.err;
    }
    const size_t line = run.err.find("error: ");
    EXPECT_EQ(run.err.find('\n', line), run.err.size() - 1) << "more than one line: " << run.err;
    EXPECT_TRUE(line == 0 || run.err.starts_with("warning: ")) << run.err;
    EXPECT_EQ(names(), (std::set<std::string>{".out.prunenet-journal"}));
    EXPECT_GE(num_parts(journal(out())), parts);
    parts = num_parts(journal(out())) + 3;  // so that the next run is at work when it is stopped
  }
  const RunResult last = run_prunenet(command("prune", out(), kSelf));
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
  const Words words = command("prune", out(), kSelf + report);
  ASSERT_EQ(stopped_at_parts(words, SIGKILL, out(), 20).status, 128 + SIGKILL);
  stop_at_the_output(words, out(), 400'000);
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
    EXPECT_NE(run.out.find("20 rounds with "), std::string::npos) << run.out;
    EXPECT_NE(run.out.find(" kills, 0 of them wrong"), std::string::npos) << run.out;
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
