// plan beside the run that it speaks of: the phases it names and the operations it counts are those that are done; and
// runs that cannot fit are refused before they start.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "program/checkpoints.h"
#include "program/demo_model.h"
#include "program/refusal.h"
#include "program/runtime.h"
#include "program/small_disk.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class Plan : public Refusal {
 protected:
  static Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  static std::map<std::string, double> flops_of(const Json& phases) {
    std::map<std::string, double> flops;
    for (const Json& phase : phases) {
      if (phase["flops"] > 0) flops[phase["name"]] = phase["flops"];
    }
    return flops;
  }

  // Texts of random tokens are exactly as long as they may be, so that all of a plan can be held to the run.
  void expect_counts_of_the_run(const Words& options) {
    const Json plan = prunenet_json(with({"plan", kDemo, "-q"}, options));
    const fs::path out = root() / "out";
    fs::remove_all(out);
    const Json run = prunenet_json(with({"prune", kDemo, "-o", out, "-q", "--phases"}, options));
    const auto planned = flops_of(plan["phases"]), done = flops_of(run["phases"]);
    EXPECT_FALSE(done.empty());
    for (const auto& [name, flops] : planned) {
      ASSERT_TRUE(done.contains(name)) << name;
      EXPECT_NEAR(done.at(name), flops, 1e-6 * flops) << name;
    }
    EXPECT_EQ(done.size(), planned.size());
  }
};

const Words kExact{"--calibration", "random-tokens", "--own-text",     "6", "--tokens", "48", "--check", "0",
                   "--ratio",       "0.3",           "--neuron-steps", "0"};

TEST_F(Plan, CountsTheOperationsThatTheRunDoes) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_counts_of_the_run(kExact);
}

TEST_F(Plan, CountsHeadsAndOneShotRefits) {
  PRUNENET_REQUIRE_RUNTIME();
  expect_counts_of_the_run(with(kExact, {"--heads", "0.5"}));
  expect_counts_of_the_run(with(kExact, {"--refit", "one-shot", "--weighting", "plain"}));
}

TEST_F(Plan, CountsGaussianInputs) {
  expect_counts_of_the_run({"--calibration", "gaussian", "--ratio", "0.3"});
}

TEST_F(Plan, SaysWhatEachPhaseTakes) {
  const Json plan = prunenet_json({"plan", kDemo, "-q", "--ratio", "0.3", "--calibration", "gaussian"});
  double sum = 0, peak = 0;
  for (const Json& phase : plan["phases"]) {
    sum += phase["estimated_s"].get<double>();
    peak = std::max(peak, phase["peak_bytes"].get<double>());
  }
  EXPECT_NEAR(plan["estimated_s"].get<double>(), sum, 1e-9 * sum);
  EXPECT_EQ(plan["estimated_peak_bytes"].get<double>(), peak);
  EXPECT_EQ(plan["fits"], true);
  const RunResult table = run_prunenet({"plan", kDemo, "-q", "--ratio", "0.3", "--calibration", "gaussian"});
  EXPECT_NE(table.out.find("choosing"), table.out.npos) << table.out;
  EXPECT_NE(table.out.find("in all"), table.out.npos) << table.out;
}

TEST_F(Plan, WhatDoesNotFitOnTheDiskIsSaidAndRefused) {
  const fs::path disk = root() / "disk";
  fs::create_directory(disk);
  const Words options{kDemo, "-q", "--ratio", "0.3", "--method", "product", "-o", disk / "out"};
  const auto planned = run_on_small_disk(disk, {"size=64k"}, with(with({"plan"}, options), {"--json"}));
  if (!planned) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(planned->run.status, 0) << planned->run.err;
  const Json plan = Json::parse(planned->run.out);
  EXPECT_EQ(plan["fits"], false);
  EXPECT_GT(plan["estimated_disk_bytes"], plan["available_disk_bytes"]);

  const auto refused = run_on_small_disk(disk, {"size=64k"}, with({"prune"}, options));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->run.status, 1);
  EXPECT_NE(refused->run.err.find("another disk"), refused->run.err.npos) << refused->run.err;
  EXPECT_TRUE(refused->left.empty());
}

// A million texts, and a disk that holds none of the output.
TEST_F(Plan, WhatWouldFitIsPutThroughTheSameCount) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words run{kDemo, "-q", "--ratio", "0.3"}, texts{"--own-text", "1000000"};
  const Json plan = prunenet_json(with(with({"plan"}, run), texts));
  EXPECT_EQ(plan["fits"], false);
  ASSERT_FALSE(plan["would_fit"].empty());
  EXPECT_GT(plan["estimated_peak_bytes"], plan["available_memory_bytes"]);
  for (const std::string remedy : plan["would_fit"]) {
    Words changed = texts;
    std::istringstream words(remedy);
    for (std::string word; words >> word;) changed.push_back(word);
    if (changed[2] == "--own-text") changed.erase(changed.begin(), changed.begin() + 2);
    EXPECT_EQ(prunenet_json(with(with({"plan"}, run), changed))["fits"], true) << remedy;
  }

  const fs::path disk = root() / "disk";
  fs::create_directory(disk);
  const Words both = with(with({"prune"}, run), with(texts, {"-o", disk / "out"}));
  const auto refused = run_on_small_disk(disk, {"size=64k"}, both);
  if (!refused) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(refused->run.status, 1);
  for (const char* part :
       {"of memory", "on the disk of the output", "this would fit: --", " with an output on another disk"})
    EXPECT_NE(refused->run.err.find(part), std::string::npos) << refused->run.err;
}

TEST_F(Plan, PhasesOfARunAddUpToIt) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json run = prunenet_json(with({"prune", kDemo, "-o", root() / "out", "-q", "--phases", "--check", "1"},
                                      {"--ratio", "0.3", "--own-text", "64", "--tokens", "64", "--neuron-steps", "1"}));
  double sum = 0;
  for (const Json& phase : run["phases"]) {
    EXPECT_GE(phase["elapsed_s"], 0) << phase;
    sum += phase["elapsed_s"].get<double>();
    if (phase["flops"] > 0) {
      EXPECT_GT(phase["bound_s"], 0) << phase;
    }
  }
  const double elapsed_s = run["elapsed_s"].get<double>();
  EXPECT_NEAR(sum, elapsed_s, 1e-6 * sum);
  EXPECT_EQ(run["phases"].back()["name"], "all else");
  EXPECT_LT(run["phases"].back()["elapsed_s"].get<double>(), 0.25 * elapsed_s);
}

// Largest RssAnon of a program until it ends, in bytes.
double peak_anonymous_bytes(const Words& arguments, RunResult& result) {
  RunningProgram program(prunenet_command(arguments));
  const fs::path status = fs::path("/proc") / std::to_string(program.pid()) / "status";
  double peak = 0;
  for (bool runs = true; runs; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
    std::ifstream lines(status);
    runs = false;  // one that has ended, and is not waited for yet, has no memory
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("RssAnon:")) continue;
      runs = true;
      peak = std::max(peak, 1024 * std::stod(line.substr(8)));
    }
  }
  result = program.wait();
  return peak;
}

// Texts whose residual streams take more than the libraries do.
TEST_F(Plan, TellsTheMemoryOfTheRun) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words options{"--calibration", "random-tokens", "--own-text",  "512",   "--tokens",       "256", "--check", "0",
                      "--ratio",       "0.3",           "--weighting", "plain", "--neuron-steps", "0"};
  const Json plan = prunenet_json(with({"plan", kDemo, "-q"}, options));
  RunResult run;
  const double peak = peak_anonymous_bytes(with({"prune", kDemo, "-o", root() / "out", "-q"}, options), run);
  ASSERT_EQ(run.status, 0) << run.err;
  const double planned = plan["estimated_peak_bytes"].get<double>();
  EXPECT_GT(peak, 3e8) << "more than the libraries take";
  EXPECT_GT(planned, 0.65 * peak);
  EXPECT_LT(planned, 1.5 * peak);
}

TEST_F(Plan, SpectraThatAnEarlierRunLeftAreNotComputedAnew) {
  tiny_model(1, {.hidden = 256, .width = 384, .layers = 2, .vocab = 16}).write(model());
  const auto run = [&](const Words& arguments) {
    const Words environment{"/usr/bin/env", "PRUNENET_CACHE=" + (root() / "cache").string()};
    const RunResult result = run_program(with(environment, prunenet_command(with(arguments, {"-q", "--json"}))));
    EXPECT_EQ(result.status, 0) << result.err;
    return Json::parse(result.out);
  };
  const Words options{model(), "--ratio", "0.25", "--method", "prunenet", "--episodes", "1"};
  const auto eigenvalues = [](const Json& plan) {
    double squares = 0;
    for (const Json& phase : plan["phases"]) {
      if (phase["name"] == "spectra of whole layers") squares += phase["work"].value("rotations", 0.0);
    }
    return squares;
  };
  const Json first = run(with({"plan"}, options));
  EXPECT_EQ(first["spectra_cached"], false);
  EXPECT_EQ(eigenvalues(first), 2 * 256 * 256);
  run(with({"prune", "-o", root() / "out"}, options));
  const Json second = run(with({"plan"}, options));
  EXPECT_EQ(second["spectra_cached"], true);
  EXPECT_EQ(eigenvalues(second), 0);
  EXPECT_EQ(run(with({"plan", "--no-cache"}, options))["spectra_cached"], false);
  EXPECT_EQ(run(with({"plan", "--seed", "7"}, options))["spectra_cached"], true) << "draws are others, layers are not";
  EXPECT_EQ(run(with({"plan", "--precision", "f32"}, options))["spectra_cached"], false) << "spectra in f64 are there";

  // A device computes its own, and the host those of whole layers for the choice, unless they are in the cache.
  const auto of_choice = [](const Json& plan) {
    for (const Json& phase : plan["phases"]) {
      if (phase["name"] == "scoring") {
        EXPECT_EQ(phase["measured"], true) << "by the host";
      }
      if (phase["name"] == "spectra of the choice") return phase["work"].value("rotations", 0.0);
    }
    return -1.0;
  };
  const Json at_device = run(with({"plan", "--device", "cuda"}, options));
  EXPECT_EQ(at_device["spectra_cached"], true);
  EXPECT_EQ(eigenvalues(at_device), 2 * 256 * 256);
  EXPECT_EQ(of_choice(at_device), 2 * 256 * 256) << "of the kept rows";
  const Json uncached = run(with({"plan", "--device", "cuda", "--no-cache"}, options));
  EXPECT_EQ(eigenvalues(uncached), 2 * 256 * 256);
  EXPECT_EQ(of_choice(uncached), 2 * 2 * 256 * 256) << "of whole layers as well";
}

TEST_F(Plan, WhatADeviceWillTakeIsNotMeasured) {
  const Json plan = prunenet_json({"plan", kDemo, "-q", "--ratio", "0.3", "--device", "cuda"});
  EXPECT_EQ(plan["measured"], false);
  EXPECT_TRUE(plan["estimated_s"].is_null());
  EXPECT_TRUE(plan["estimated_peak_bytes"].is_null());
  EXPECT_EQ(plan["fits"], true) << "the disk alone decides";
  std::map<std::string, Json> phases;
  for (const Json& phase : plan["phases"]) phases[phase["name"]] = phase;
  EXPECT_EQ(phases.at("choosing")["measured"], false);
  EXPECT_GT(phases.at("choosing")["flops"], 0);
  EXPECT_EQ(phases.at("writing")["measured"], true);
  const RunResult table = run_prunenet({"plan", kDemo, "-q", "--ratio", "0.3", "--device", "cuda"});
  EXPECT_NE(table.out.find("not measured"), table.out.npos) << table.out;
  // Where there is none, prune says the same.
  const RunResult run = run_prunenet({"prune", kDemo, "-q", "-o", out(), "--ratio", "0.3", "--device", "cuda",
                                      "--own-text", "2", "--tokens", "8", "--check", "0"});
  EXPECT_EQ(plan["refusals"].empty(), run.status == 0) << run.err;
  if (run.status == 0) return;
  const std::string words = plan["refusals"][0];
  EXPECT_NE(run.err.find(words), run.err.npos) << run.err << words;
  EXPECT_NE(table.out.find("as things stand, the run would be refused: " + words), table.out.npos) << table.out;
}

TEST_F(Plan, TheCheckIsCountedAtItsOwnLength) {
  PRUNENET_REQUIRE_RUNTIME();
  const auto check = [](const std::string& tokens) {
    const Json plan = prunenet_json({"plan", kDemo, "-q", "--ratio", "0.3", "--own-text", "4", "--tokens", tokens,
                                     "--check", "4", "--neuron-steps", "0", "--weighting", "plain"});
    return flops_of(plan["phases"]).at("checking the result");
  };
  EXPECT_EQ(check("16"), check("256"));
}

TEST_F(Plan, SaysWhatIsThereAlready) {
  tiny_model().write(model());
  const Words options{model(), "--ratio", "0.25", "--method", "product", "-o", out()};
  EXPECT_TRUE(prunenet_json(with({"plan"}, options))["refusals"].empty());
  ASSERT_EQ(run_prunenet(with(with({"prune", "-q"}, options), {"--report", root() / "r.html"})).status, 0);
  const auto before = folder_contents(root());
  const Words again = with(options, {"--report", root() / "r.html"});
  const Json plan = prunenet_json(with({"plan"}, again));
  ASSERT_EQ(plan["refusals"].size(), 2u) << plan;
  EXPECT_NE(plan["refusals"][0].get<std::string>().find("out: exists already; --force replaces it"), std::string::npos);
  EXPECT_NE(plan["refusals"][1].get<std::string>().find("r.html: exists already"), std::string::npos);
  EXPECT_TRUE(prunenet_json(with(with({"plan"}, again), {"--force"}))["refusals"].empty());
  EXPECT_EQ(folder_contents(root()), before);
}

TEST_F(Plan, ReadsWhatPruneWouldRead) {
  tiny_model().write(model());
  const auto refused_by_both = [&](const Words& options, const Words& fragments, int status = 1) {
    expect_refused(with({"plan", model(), "--ratio", "0.25"}, options), fragments, status);
    expect_refused(with({"prune", model(), "-o", out(), "--ratio", "0.25"}, options), fragments, status);
  };
  refused_by_both({"--method", "prunenet", "--policy", root() / "nope.safetensors"}, {"nope.safetensors"});
  refused_by_both({"--type", "q8_0"}, {"--type", "is of GGUF outputs"}, 2);
  if (runtime_is_built()) refused_by_both({"--calibration", root() / "nofile.txt"}, {"--calibration", "nofile.txt"});
}

TEST_F(Plan, APolicyForAnotherWidthIsRefused) {
  tiny_model().write(model());
  tiny_model(1, {.hidden = 16}).write(root() / "other");
  ASSERT_EQ(
      run_prunenet({"train", root() / "other", "-q", "-o", root() / "p", "--ratio", "0.25", "--episodes", "1"}).status,
      0);
  expect_refused({"plan", model(), "--ratio", "0.25", "--method", "prunenet", "--policy", root() / "p"},
                 {"was trained on models of hidden size 16, this model's is 8"});
}

TEST_F(Plan, AGgufFileIsAsLargeAsItsTypeMakesIt) {
  const Words options{kDemo, "-q", "--ratio", "0.3", "--method", "product", "-o", root() / "small.gguf"};
  const Json stored = prunenet_json(with({"plan"}, options));
  for (const char* type : {"q8_0", "f32"}) {  // it is stored in F16
    const Words typed = with(options, {"--type", type});
    const Json plan = prunenet_json(with({"plan"}, typed));
    const Json run = prunenet_json(with(with({"prune"}, typed), {"--force"}));
    EXPECT_EQ(plan["bytes_after"], run["bytes_after"]) << type;
    const double tensors = plan["bytes_after"].get<double>() - stored["bytes_after"].get<double>();
    const double disk = plan["estimated_disk_bytes"].get<double>() - stored["estimated_disk_bytes"].get<double>();
    EXPECT_EQ(tensors < 0, std::string(type) == "q8_0");
    EXPECT_NEAR(disk, tensors, 4096) << "blocks; the header is as long";
    EXPECT_EQ(plan["params_after"], stored["params_after"]) << type;
  }
}

// Learned positions are F32 whatever is asked for, matrices of GPT-2 are stored the other way round, and elsewhere
// several matrices are one tensor.
TEST_F(Plan, AGgufFileOfEachLayoutIsAsLargeAsPlanned) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* family : {"gpt2", "phi3", "falcon7b_mqa", "gpt_neox"}) {
    for (const Words& type : {Words{}, Words{"--type", "f16"}, Words{"--type", "q8_0"}}) {
      const Words options = with({data / "golden" / family, "-q", "--ratio", "0.3", "--method", "product",
                                  "--no-vocabulary", "-o", root() / "small.gguf"},
                                 type);
      const Json plan = prunenet_json(with({"plan"}, options));
      const Json run = prunenet_json(with(with({"prune"}, options), {"--force"}));
      EXPECT_EQ(plan["bytes_after"], run["bytes_after"]) << family << " " << ::testing::PrintToString(type);
    }
  }
}

// A GGUF file is larger or smaller than the folder it is made of: by its own size plan and prune tell what fits.
TEST_F(Plan, TheTypeOfAGgufFileDecidesWhatFits) {
  const fs::path disk = root() / "disk";
  fs::create_directory(disk);
  const auto options = [&](const char* type) {
    return Words{kDemo, "-q", "--ratio", "0.05", "--method", "product", "--type", type, "-o", disk / "small.gguf"};
  };
  const auto needed = [&](const char* type) {
    return prunenet_json(with({"plan"}, options(type)))["estimated_disk_bytes"].get<double>();
  };
  const double in_f16 = needed("f16"), in_f32 = needed("f32"), in_q8_0 = needed("q8_0");
  ASSERT_LT(in_f16, 0.85 * 0.9 * in_f32) << "or the disk below would be too small for a file like the folder";
  ASSERT_LT(1.02 * in_q8_0, 0.85 * in_f16);
  const auto on_disk_of = [&](double bytes, const Words& arguments) {
    return run_on_small_disk(disk, {.options = "size=" + std::to_string(static_cast<int64_t>(bytes))}, arguments);
  };
  const auto planned = on_disk_of(0.85 * in_f32, with(with({"plan"}, options("f32")), {"--json"}));
  if (!planned) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(Json::parse(planned->run.out)["fits"], false);
  const auto refused = on_disk_of(0.85 * in_f32, with({"prune"}, options("f32")));
  EXPECT_EQ(refused->run.status, 1);
  EXPECT_NE(refused->run.err.find("this would fit: an output on another disk"), std::string::npos) << refused->run.err;

  const auto small = on_disk_of(0.85 * in_f16, with(with({"plan"}, options("q8_0")), {"--json"}));
  EXPECT_EQ(Json::parse(small->run.out)["fits"], true);
  const auto done = on_disk_of(0.85 * in_f16, with({"prune"}, options("q8_0")));
  EXPECT_EQ(done->run.status, 0) << done->run.err;
}

TEST_F(Plan, ShardsAndRestartAreOptionsOfPrune) {
  tiny_model().write(model());
  const Words options{"plan", model(), "--ratio", "0.25", "--calibration", "gaussian", "-o", out()};
  const auto disk = [&](const Words& more) {
    return prunenet_json(with(options, more))["estimated_disk_bytes"].get<double>();
  };
  EXPECT_GT(disk({"--max-shard-size", "1e-6"}), disk({})) << "a block for each, and an index";
  expect_refused({"plan", model(), "--ratio", "0.25", "-o", root() / "s.gguf", "--max-shard-size", "1"},
                 {"--max-shard-size", "is for folders"}, 2);
  fs::create_directory(root() / ".out.prunenet-journal");
  const auto note = [&](const Words& more) {
    return run_prunenet(with(options, more)).err.find("an unfinished run for this output is there") !=
           std::string::npos;
  };
  EXPECT_TRUE(note({}));
  EXPECT_FALSE(note({"--restart"}));
  expect_refused({"plan", model(), "--ratio", "0.25", "--method", "product", "--restart"},
                 {"--restart", "does nothing here"}, 2);
}

TEST_F(Plan, RefusesTheOptionsThatPruneRefusesAtOnce) {
  TinyModel tiny = tiny_model();
  for (const char* key : {"bos_token_id", "eos_token_id"}) tiny.config.erase(key);
  tiny.write(model());
  const auto refused_by_both = [&](const Words& options, const Words& fragments, int status = 1) {
    for (const char* verb : {"plan", "prune"})
      expect_refused(with({verb, model(), "--ratio", "0.25"}, options), fragments, status);
  };
  refused_by_both({"-o", root() / "folder", "--type", "q8_0"}, {"--type", "is of GGUF outputs"}, 2);
  if (!runtime_is_built()) return;
  refused_by_both({"-o", out(), "--calibration", "random-tokens"}, {"--check", "states neither"});
  refused_by_both({"-o", out(), "--calibration", "random-tokens", "--check", "0", "--moments", out() / "moments"},
                  {"--moments", "lies in the output"});
  refused_by_both({"-o", out(), "--calibration", "random-tokens", "--check", "0", "--moments", model() / "moments"},
                  {"--moments", "lies in the model's own folder"});
}

TEST_F(Plan, CountsWhatAReportAndPhasesTake) {
  tiny_model().write(model());
  const auto names = [&](const Words& more) {
    const Json plan = prunenet_json(with({"plan", model(), "--ratio", "0.25", "--method", "product"}, more));
    std::set<std::string> found;
    for (const Json& phase : plan["phases"]) found.insert(phase["name"]);
    return found;
  };
  EXPECT_FALSE(names({}).contains("spectra of the choice"));
  EXPECT_TRUE(names({"--report", root() / "r.html"}).contains("spectra of the choice"));
  EXPECT_TRUE(names({"--phases"}).contains("rates for --phases"));
  EXPECT_FALSE(fs::exists(root() / "r.html"));
}

// Bytes of the blocks that a file or folder takes, with all in it.
double blocks_of(const fs::path& path) {
  double bytes = 0;
  const auto add = [&](const fs::path& name) {
    struct stat status {};
    if (::lstat(name.c_str(), &status) == 0) bytes += 512.0 * static_cast<double>(status.st_blocks);
  };
  add(path);
  std::error_code gone;  // a journal's parts come and go
  for (auto entry = fs::recursive_directory_iterator(path, gone); !gone && entry != fs::recursive_directory_iterator();
       entry.increment(gone))
    add(entry->path());
  return bytes;
}

TEST_F(Plan, TellsTheDiskOfTheRun) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words options{kDemo,
                      "-q",
                      "--ratio",
                      "0.3",
                      "--calibration",
                      "random-tokens",
                      "--own-text",
                      "64",
                      "--tokens",
                      "128",
                      "--check",
                      "8",
                      "--neuron-steps",
                      "1",
                      "-o",
                      out()};
  const double planned = prunenet_json(with({"plan"}, options))["estimated_disk_bytes"];
  RunningProgram program(prunenet_command(with({"prune"}, options)));
  double journal = 0;
  while (!fs::exists(out()) && fs::exists(fs::path("/proc") / std::to_string(program.pid()) / "exe")) {
    journal = std::max(journal, blocks_of(root() / ".out.prunenet-journal"));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const RunResult run = program.wait();
  ASSERT_EQ(run.status, 0) << run.err;
  const double taken = journal + blocks_of(out());
  EXPECT_GT(journal, 1e6);
  EXPECT_GT(planned, 0.97 * taken);
  EXPECT_LT(planned, 1.1 * taken);
}

TEST_F(Plan, NamesAloneWhatIsScarce) {
  const fs::path disk = root() / "disk";
  fs::create_directory(disk);
  const Words options{"plan", kDemo, "-q", "--ratio", "0.3", "--method", "product", "-o", disk / "out"};
  const double needed = prunenet_json(options)["estimated_disk_bytes"];
  const SmallDisk small{.options = "size=" + std::to_string(static_cast<int64_t>(0.97 * needed))};
  const auto planned = run_on_small_disk(disk, small, options);
  if (!planned) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(planned->run.status, 0) << planned->run.err;
  EXPECT_NE(planned->run.out.find("may not fit: about "), std::string::npos) << planned->run.out;
  EXPECT_NE(planned->run.out.find("are needed on the disk of the output"), std::string::npos) << planned->run.out;
  EXPECT_EQ(planned->run.out.find("of memory are needed"), std::string::npos) << planned->run.out;
}

// A llama in bf16 whose zeros take no room on the disk.
void write_hollow_model(const fs::path& folder, const TinySizes& sizes) {
  TinyModel tiny = tiny_model();
  tiny.config["hidden_size"] = sizes.hidden;
  tiny.config["intermediate_size"] = sizes.width;
  tiny.config["num_hidden_layers"] = sizes.layers;
  tiny.config["vocab_size"] = sizes.vocab;
  tiny.config["torch_dtype"] = "bfloat16";
  tiny.tensors.clear();
  tiny.write(folder);
  Json header = Json::object();
  int64_t offset = 0;
  const auto add = [&](const std::string& name, const std::vector<int64_t>& shape) {
    int64_t bytes = 2;
    for (const int64_t extent : shape) bytes *= extent;
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  };
  const int64_t d = sizes.hidden, f = sizes.width;
  add("model.embed_tokens.weight", {sizes.vocab, d});
  for (int64_t l = 0; l < sizes.layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      add(layer + "self_attn." + name + ".weight", {d, d});
    for (const char* name : {"gate_proj", "up_proj"}) add(layer + "mlp." + name + ".weight", {f, d});
    add(layer + "mlp.down_proj.weight", {d, f});
    for (const char* name : {"input_layernorm", "post_attention_layernorm"}) add(layer + name + ".weight", {d});
  }
  add("model.norm.weight", {d});
  add("lm_head.weight", {sizes.vocab, d});
  const std::string text = header.dump();
  const uint64_t size = text.size();
  write_bytes(folder / "model.safetensors", std::string(reinterpret_cast<const char*>(&size), sizeof size) + text);
  fs::resize_file(folder / "model.safetensors", sizeof size + text.size() + static_cast<uint64_t>(offset));
}

class SlowPlan : public Plan {};

TEST_F(SlowPlan, SaysWhatWouldTakeFarLessMemory) {
  PRUNENET_REQUIRE_RUNTIME();
  write_hollow_model(model(), {.hidden = 1024, .width = 4096, .layers = 10, .vocab = 64});
  const Words options{model(),          "-q", "--ratio",     "0.3",  "--calibration", "random-tokens",
                      "--own-text",     "2",  "--tokens",    "8",    "--check",       "0",
                      "--neuron-steps", "0",  "--weighting", "plain"};
  const Json plan = prunenet_json(with({"plan"}, options));
  ASSERT_EQ(plan["would_take_less"].size(), 2u) << plan;
  EXPECT_EQ(plan["would_take_less"][0]["option"], "--stream");
  EXPECT_EQ(plan["would_take_less"][1]["option"], "--dtype bf16");
  const Json streamed = prunenet_json(with({"plan", "--stream"}, options));
  EXPECT_EQ(plan["would_take_less"][0]["estimated_peak_bytes"], streamed["estimated_peak_bytes"]);
  EXPECT_TRUE(streamed["would_take_less"].empty());
  const Json in_bf16 = prunenet_json(with({"plan", "--dtype", "bf16"}, options));
  EXPECT_EQ(plan["would_take_less"][1]["estimated_peak_bytes"], in_bf16["estimated_peak_bytes"]);
  EXPECT_TRUE(in_bf16["would_take_less"].empty()) << "it is stored so, and mapped";
  EXPECT_LT(in_bf16["estimated_peak_bytes"], plan["estimated_peak_bytes"].get<double>() / 1.5);
}

TEST_F(Plan, ADeviceThatTheMethodHasNoUseForIsRefused) {
  tiny_model().write(model());
  expect_refused({"plan", model(), "--ratio", "0.25", "--method", "product", "--device", "cuda"},
                 {"--device", "goes with"}, 2);
}

}  // namespace
}  // namespace prunenet::test
