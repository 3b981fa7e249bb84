// The promises of the command line: keys of the JSON objects, what goes to stdout and what to stderr, exit statuses,
// help.
#include <regex>
#include <set>

#include "program/refusal.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::vector<std::string> kVerbs{"inspect", "plan", "spectrum", "train", "prune"};

class Contract : public Refusal {
 protected:
  Contract() { tiny_model().write(model()); }

  static void expect_keys(const Json& json, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) EXPECT_TRUE(json.contains(key)) << key << " is not in " << json.dump(1);
  }
};

TEST_F(Contract, InspectKeys) {
  const Json json = prunenet_json({"inspect", model()});
  expect_keys(json, {"family", "layers", "hidden", "ffn_widths", "heads", "kv_heads", "params", "ffn_params", "bytes"});
  EXPECT_EQ(json["family"], "llama");
  EXPECT_EQ(json["layers"], 2);
  EXPECT_EQ(json["hidden"], 8);
  EXPECT_EQ(json["ffn_widths"], Json({12, 12}));
  EXPECT_EQ(json["heads"], Json({2, 2}));
  EXPECT_EQ(json["kv_heads"], Json({2, 2}));
  EXPECT_EQ(json["ffn_params"], 2 * 3 * 12 * 8);
  EXPECT_EQ(json["params"], 2 * 16 * 8 + 8 + 2 * (3 * 12 * 8 + 4 * 8 * 8 + 2 * 8));
  EXPECT_EQ(json["bytes"], 4 * json["params"].get<int64_t>());
}

TEST_F(Contract, PlanKeysAndThatItWritesNothing) {
  const auto before = folder_contents(root());
  const Json json = prunenet_json({"plan", model(), "--ratio", "0.25", "--method", "prunenet"});
  expect_keys(json, {"ffn_ratio_reached", "total_ratio_reached", "params_before", "params_after",
                     "flops_per_token_before", "flops_per_token_after", "estimated_s", "estimated_peak_bytes"});
  EXPECT_DOUBLE_EQ(json["ffn_ratio_reached"], 0.25);
  EXPECT_GT(json["estimated_s"], 0);
  EXPECT_GT(json["estimated_peak_bytes"], 0);
  EXPECT_EQ(folder_contents(root()), before);
}

TEST_F(Contract, PruneKeysAreThoseOfPlanAndMore) {
  const Json plan = prunenet_json({"plan", model(), "--ratio", "0.25", "--method", "prunenet"});
  const Json json = prunenet_json(prune_with({"--ratio", "0.25", "--method", "prunenet"}));
  expect_keys(json, {"elapsed_s", "peak_rss_bytes", "method", "seed", "kept_widths"});
  for (const auto& [key, value] : plan.items()) {
    const std::set<std::string> of_plans_alone{
        "phases",          "speeds",   "fits",          "measured",              "would_fit",
        "would_take_less", "refusals", "spectra_cached", "available_memory_bytes", "available_disk_bytes"};
    if (key.starts_with("estimated_") || of_plans_alone.contains(key)) continue;
    EXPECT_EQ(json[key], value) << key;
  }
  EXPECT_EQ(json["method"], "prunenet");
  EXPECT_EQ(json["seed"], 42);
  EXPECT_EQ(json["kept_widths"], Json({9, 9}));
  EXPECT_EQ(json["params_after"], prunenet_json({"inspect", out()})["params"]);
}

TEST_F(Contract, TrainKeys) {
  const Json json = prunenet_json({"train", model(), "-o", root() / "p", "--ratio", "0.25", "--episodes", "3"});
  expect_keys(json, {"episodes", "best_episode"});
  ASSERT_EQ(json["episodes"].size(), 3u);
  for (const Json& episode : json["episodes"]) expect_keys(episode, {"avg_reward", "avg_ks", "elapsed_s"});
  EXPECT_LT(json["best_episode"], 3);
}

TEST_F(Contract, SpectrumKeys) {
  const Json alone = prunenet_json({"spectrum", model()});
  ASSERT_EQ(alone["layers"].size(), 2u);
  for (size_t l = 0; l < 2; ++l) {
    const Json& layer = alone["layers"][l];
    expect_keys(layer, {"index", "singular_values", "ks"});
    EXPECT_EQ(layer["index"], l);
    EXPECT_EQ(layer["singular_values"].size(), 8u);
    EXPECT_TRUE(layer["ks"].is_null());
  }
  tiny_model(2).write(root() / "other");
  const Json both = prunenet_json({"spectrum", model(), root() / "other"});
  for (const Json& layer : both["layers"]) EXPECT_GT(layer["ks"], 0);
  const Json same = prunenet_json({"spectrum", model(), model()});
  for (const Json& layer : same["layers"]) EXPECT_EQ(layer["ks"], 0);
}

TEST_F(Contract, ResultsGoToStdoutAndProgressToStderr) {
  for (const bool json : {false, true}) {
    const std::string target = root() / (json ? "with-json" : "without");
    std::vector<std::string> arguments{"prune",   model(), "-o",       target, "--ratio", "0.25",
                                       "--method", "prunenet"};
    if (json) arguments.emplace_back("--json");
    const RunResult result = run_prunenet(arguments);
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_NE(result.err.find("writing: done"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("training the policy: done"), std::string::npos) << result.err;
    EXPECT_EQ(result.out.find(": done"), std::string::npos) << result.out;
    EXPECT_EQ(Json::accept(result.out), json) << result.out;
    EXPECT_NE(result.out.find(target), std::string::npos) << result.out;
    EXPECT_EQ((result.out + result.err).find('\033'), std::string::npos) << "terminal codes in a log";
  }
}

TEST_F(Contract, QuietMeansSilenceOnStderr) {
  const RunResult result = run_prunenet({"prune", model(), "-o", out(), "--ratio", "0.25", "--method", "prunenet", "-q"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
}

TEST_F(Contract, HelpShowsDefaultsAndAnExample) {
  for (const std::string& verb : kVerbs) {
    const RunResult result = run_prunenet({verb, "--help"});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_NE(result.out.find("\n  prunenet " + verb + " "), std::string::npos) << "no example: " << result.out;
    EXPECT_NE(result.out.find("Example"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("--json"), std::string::npos) << result.out;
    if (verb == "inspect" || verb == "spectrum") continue;
    for (const std::string option : {"--seed UINT=42", "--episodes", "=20", "--lr", "=0.001", "--width-multiple"}) {
      EXPECT_NE(result.out.find(option), std::string::npos) << verb << ": " << option;
    }
  }
}

TEST_F(Contract, HelpOfTheProgramNamesEveryVerb) {
  const RunResult result = run_prunenet({"--help"});
  EXPECT_EQ(result.status, 0);
  for (const std::string& verb : kVerbs) EXPECT_NE(result.out.find("\n  " + verb + " "), std::string::npos) << verb;
}

TEST_F(Contract, VersionNamesTheLinearAlgebra) {
  const RunResult result = run_prunenet({"--version"});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(std::regex_search(result.out, std::regex("^prunenet [0-9]+\\.[0-9]+\\.[0-9]+\n"))) << result.out;
  EXPECT_TRUE(std::regex_search(result.out, std::regex("\nlinear algebra: [^\n]*BLAS"))) << result.out;
}

TEST_F(Contract, UnknownWordsAreWrongUsage) {
  expect_refused({}, {"no verb given", "inspect, plan, spectrum, train, prune"}, 2);
  expect_refused({"prun", model()}, {"'prun' is no verb", "prune"}, 2);
  for (const std::string& verb : kVerbs) {
    SCOPED_TRACE(verb);
    expect_refused({verb}, {"MODEL"}, 2);
    std::vector<std::string> arguments{verb, "--help-me", model()};
    if (verb == "train" || verb == "prune") arguments.insert(arguments.end(), {"-o", out(), "--ratio", "0.25"});
    if (verb == "plan") arguments.insert(arguments.end(), {"--ratio", "0.25"});
    expect_refused(arguments, {"--help-me"}, 2);
  }
  expect_refused({"prune", model(), "--ratio", "0.25"}, {"--output"}, 2);
  expect_refused({"inspect", model(), "another"}, {"another"}, 2);
}

TEST_F(Contract, AResultThatCannotBePrintedIsAFailure) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  for (const std::string json : {"--json", "-q"}) {
    const RunResult result =
        run_program({"/bin/sh", "-c", "exec \"$0\" \"$@\" >/dev/full", PRUNENET_PROGRAM, "inspect", model(), json});
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("stdout"), std::string::npos) << result.err;
  }
}

TEST_F(Contract, RelativePathsAreTakenFromTheWorkingFolder) {
  RunOptions options;
  options.working_folder = root();
  EXPECT_EQ(run_prunenet({"prune", "model", "-o", "out", "--ratio", "0.25", "--method", "prunenet", "--report", "r.html"}, options).status, 0);
  EXPECT_EQ(run_prunenet({"prune", "./model/", "-o", "./sub/out/", "--ratio", "0.25", "--method", "prunenet"}, options).status, 0);
  EXPECT_TRUE(fs::exists(root() / "r.html"));
  EXPECT_EQ(folder_contents(out()), folder_contents(root() / "sub" / "out"));
}

TEST_F(Contract, FoldersWithStrangeNamesWork) {
  for (const std::string name : {"with space", "with 'quotes\"",
                                 "m\xc3\xb6"
                                 "del",
                                 "new\nline", "{}"}) {
    tiny_model().write(root() / name / "model");
    const RunResult result =
        run_prunenet({"prune", root() / name / "model", "-o", root() / name / "out", "--ratio", "0.25", "--method", "product", "--json"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(Json::accept(result.out)) << result.out;
  }
}

}  // namespace
}  // namespace prunenet::test
