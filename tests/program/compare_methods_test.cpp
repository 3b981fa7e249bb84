// prunenet compare-methods: every method at the same size, in one table.
#include <set>

#include "program/demo_model.h"
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class CompareMethods : public Refusal {
 protected:
  Words command(const Words& options) const {
    Words words{"compare-methods", kDemo, "--quiet", "--own-text", "4", "--tokens", "48", "--calibration-text", "8"};
    words.insert(words.end(), options.begin(), options.end());
    return words;
  }
};

TEST_F(CompareMethods, EveryMethodHasItsRowOfTheSameSize) {
  PRUNENET_REQUIRE_RUNTIME();
  const fs::path work = root() / "work", report = root() / "methods.html";
  fs::create_directories(work);
  const Json json = prunenet_json(command({"--ratio", "0.3", "--work", work, "--report", report}));
  std::set<std::string> names;
  for (const Json& row : json["rows"]) {
    names.insert(row["method"]);
    EXPECT_NEAR(row["ffn_ratio"].get<double>(), 0.3, 1e-9) << row["method"];
    EXPECT_EQ(row["bytes"], json["rows"][0]["bytes"]) << row["method"];
    EXPECT_TRUE(row["stock_loadable"]);
    EXPECT_FALSE(row["needs_data"]);
    EXPECT_GT(row["kl_nats"], 0.0);
    EXPECT_GT(row["perplexity"], json["dense_perplexity"].get<double>() * 0.9);
  }
  EXPECT_EQ(names, (std::set<std::string>{"random", "prunenet", "gate-norm", "up-norm", "down-norm", "product",
                                          "gaussian", "self-gaussian", "self-one-shot", "self-down", "self"}));
  EXPECT_TRUE(fs::is_empty(work)) << "pruned models are gone once measured";
  EXPECT_NE(read_bytes(report).find("self-one-shot"), std::string::npos);
}

TEST_F(CompareMethods, MeasuresWhatComparePrintsOfTheSameModel) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json = prunenet_json(command({"--ratio", "0.3", "--methods", "product", "--seed", "5"}));
  prunenet_json({"prune", kDemo, "-o", out(), "--ratio", "0.3", "--method", "product", "--seed", "5", "--quiet"});
  const Json compared =
      prunenet_json({"compare", kDemo, out(), "--own-text", "4", "--tokens", "48", "--seed", "5", "--quiet"});
  EXPECT_EQ(json["rows"][0]["kl_nats"], compared["kl_nats"]);
}

TEST_F(CompareMethods, BeyondTheFfnsOnlyMixesAreLeft) {
  PRUNENET_REQUIRE_RUNTIME();
  const RunResult result =
      run_prunenet({"compare-methods", kDemo, "--ratio-total", "0.65", "--own-text", "2", "--tokens", "32",
                    "--calibration-text", "4", "--width-multiple", "64", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = Json::parse(result.out);
  ASSERT_EQ(json["rows"].size(), 1u);
  EXPECT_EQ(json["rows"][0]["method"], "self-mix");
  EXPECT_GE(json["rows"][0]["total_ratio"].get<double>(), 0.65);
  EXPECT_NE(result.err.find("left out"), std::string::npos) << result.err;
}

TEST_F(CompareMethods, Refuses) {
  expect_refused(command({}), {"--ratio"}, 2);
  expect_refused(command({"--ratio", "0.3", "--ratio-total", "0.2"}), {"--ratio"}, 2);
  expect_refused(command({"--ratio", "0.3", "--methods", "magic"}), {"--methods", "magic", "self-down"}, 2);
  PRUNENET_REQUIRE_RUNTIME();
  expect_refused(command({"--ratio", "1.5"}), {"--ratio", "1.5"});
  expect_refused(command({"--ratio", "0.3", "--methods", "self-mix"}), {"--methods", "self-mix", "--ratio-total"});
  expect_refused(command({"--ratio-total", "0.65", "--methods", "product"}), {"--ratio-total", "product"});
  expect_refused(command({"--ratio", "0.3", "--work", root() / "none"}), {"none"});
  expect_refused(command({"--ratio", "0.3", "--data", root() / "none.txt"}), {"none.txt"});
}

}  // namespace
}  // namespace prunenet::test
