// What prune --phases says of the published policy, beside plan; and the lines that a run writes while it goes on.
#include <map>

#include "program/demo_model.h"
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class Phases : public Refusal {
 protected:
  static std::map<std::string, Json> by_name(const Json& phases) {
    std::map<std::string, Json> named;
    for (const Json& phase : phases) named[phase["name"]] = phase;
    return named;
  }
  Json pruned(Words more) const {
    Words words{"prune", kDemo, "-o", out(), "-q", "--phases", "--ratio", "0.3"};
    words.insert(words.end(), more.begin(), more.end());
    return prunenet_json(words);
  }
};

TEST_F(Phases, OfATrainingAreThoseOfPlanWithTheirProducts) {
  const Words options{"--method", "prunenet", "--episodes", "7"};
  Words plan{"plan", kDemo, "--ratio", "0.3", "-q"};
  plan.insert(plan.end(), options.begin(), options.end());
  const auto planned = by_name(prunenet_json(plan)["phases"]);
  const Json run = pruned(options);
  const auto done = by_name(run["phases"]);
  double sum_s = 0;
  for (const auto& [name, phase] : done) {
    sum_s += phase["elapsed_s"].get<double>();
    if (name == "all else") continue;
    ASSERT_TRUE(planned.contains(name)) << name;
    EXPECT_DOUBLE_EQ(phase["flops"], planned.at(name)["flops"]) << name;
    EXPECT_EQ(phase["bound_s"].is_null(), phase["flops"] == 0) << name;
  }
  EXPECT_NEAR(sum_s, run["elapsed_s"], 1e-9);
  for (const auto& [name, phase] : planned) EXPECT_TRUE(done.contains(name) || name == "starting") << name;
  for (const char* name : {"spectra of whole layers", "spectra of draws", "spectra of the choice"})
    EXPECT_GT(done.at(name)["flops"], 0) << name;
}

TEST_F(Phases, OfAReportCountItsSpectra) {
  const auto done = by_name(pruned({"--method", "random", "--report", root() / "report.html"})["phases"]);
  EXPECT_GT(done.at("spectra of the choice")["flops"], 0);
  EXPECT_EQ(done.at("scoring")["flops"], 0);
}

TEST_F(Phases, SamplingWithinAnotherStageHasItsOwnLine) {
  PRUNENET_REQUIRE_RUNTIME();
  const RunResult run = run_prunenet({"prune", kDemo, "-o", out(), "--ratio", "0.3", "--own-text", "4", "--tokens", "32",
                                      "--neuron-steps", "0", "--check", "0", "--report", root() / "report.html"});
  ASSERT_EQ(run.status, 0) << run.err;
  const std::string sampling = "sampling own text: done in ", costs = "measuring what each layer costs: done in ";
  const size_t calibration = run.err.find(sampling);
  ASSERT_NE(calibration, run.err.npos) << run.err;
  const size_t fresh = run.err.find(sampling, calibration + 1);
  ASSERT_NE(fresh, run.err.npos) << run.err;
  EXPECT_EQ(run.err.find(sampling, fresh + 1), run.err.npos) << run.err;
  EXPECT_GT(run.err.find(costs), fresh) << run.err;
  EXPECT_NE(run.err.find(costs), run.err.npos) << run.err;
}

}  // namespace
}  // namespace prunenet::test
