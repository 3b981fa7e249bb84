// Options that make no sense (exit status 2 where no input could make them right, else 1), and mask, policy and report
// files that are spoilt.
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

class BadOption : public Refusal {
 protected:
  BadOption() { tiny_model().write(model()); }
  fs::path mask() const { return root() / "mask.json"; }
  fs::path policy() const { return root() / "policy.safetensors"; }
  fs::path report() const { return root() / "report.html"; }

  void expect_mask_refused(const std::string& text, const std::vector<std::string>& fragments) const {
    write_bytes(mask(), text);
    std::vector<std::string> all{mask()};
    all.insert(all.end(), fragments.begin(), fragments.end());
    expect_refused(prune_with({"--mask", mask()}), all);
    expect_refused({"plan", model(), "--mask", mask()}, all);
  }
  void expect_policy_refused(const std::vector<std::string>& fragments) const {
    expect_refused(prune_with({"--ratio", "0.25", "--method", "prunenet", "--policy", policy()}), fragments);
  }
  void train(const fs::path& on) const {
    const RunResult result =
        run_prunenet({"train", on, "-o", policy(), "--ratio", "0.25", "--episodes", "1", "--force"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
};

TEST_F(BadOption, WhatIsGivenTwiceIsSaidToBe) {
  expect_refused(prune_with({"--ratio", "0.25", "--method", "prunenet", "--spectrum", "exact", "--spectrum", "exact"}),
                 {"--spectrum: is given twice", "prune --help"}, 2);
  expect_refused(prune_with({"--ratio", "0.25", "--ratio", "0.3", "--ratio", "0.5"}), {"--ratio: is given 3 times"}, 2);
  expect_refused(prune_with({"--method", "random", "--ratio"}), {"--ratio", "missing"}, 2);
}

TEST_F(BadOption, RestartOfWhatKeepsNothing) {
  expect_refused(prune({"--restart"}), {"--restart: does nothing here", "--method self"}, 2);
  train(model());
  expect_refused(prune_with({"--ratio", "0.25", "--method", "prunenet", "--policy", policy(), "--restart"}),
                 {"--restart: does nothing here"}, 2);
}

// One line and nothing before it, although the ratio or the memory would give something to say as well.
TEST_F(BadOption, ADeviceThatIsNotThereIsSpokenOfFirst) {
  const std::string device = "cuda:250";
  const std::string words = runtime_is_built() ? "--device " + device : "prunenet-runtime.so";
  expect_refused(prune_with({"--ratio", "0.25", "--device", device}), {words});
  expect_refused(prune_with({"--ratio", "0.25", "--device", device, "--method", "prunenet"}), {words});
  expect_refused({"train", model(), "-o", policy(), "--ratio", "0.25", "--device", device}, {words});
}

TEST_F(BadOption, RatioOutsideItsRangeIsNamed) {
  for (const std::string ratio : {"-0.1", "1", "1.5", "nan", "inf", "-inf", "1e300"}) {
    SCOPED_TRACE(ratio);
    expect_refused(prune_with({"--ratio", ratio, "--method", "prunenet"}),
                   {"--ratio", "expected a number from 0 up to but not including 1"});
    expect_refused({"plan", model(), "--ratio", ratio}, {"--ratio"});
    expect_refused({"train", model(), "-o", policy(), "--ratio", ratio}, {"--ratio"});
  }
  for (const std::string ratio : {"abc", "0.3x", "", "0,3"}) {
    SCOPED_TRACE(ratio);
    expect_refused(prune_with({"--ratio", ratio}), {"--ratio"}, 2);
  }
}

TEST_F(BadOption, NoRatioIsWrongUsage) {
  expect_refused(prune_with({}), {"--ratio", "is needed"}, 2);
}

TEST_F(BadOption, NumbersOutsideTheirRangeAreWrongUsage) {
  const std::vector<std::vector<std::string>> wrong{{"--episodes", "0"},
                                                    {"--episodes", "-1"},
                                                    {"--lr", "nan"},
                                                    {"--lr", "0"},
                                                    {"--lr", "-1e-3"},
                                                    {"--lr", "inf"},
                                                    {"--threads", "-1"},
                                                    {"--threads", "many"},
                                                    {"--width-multiple", "-1"},
                                                    {"--max-shard-size", "0"},
                                                    {"--max-shard-size", "nan"},
                                                    {"--seed", "seven"},
                                                    {"--seed", "-1"},
                                                    {"--lr", "11"},
                                                    {"--method", "magic"},
                                                    {"--select", "best"},
                                                    {"--precision", "f16"},
                                                    {"--route", "fast"}};
  for (const auto& option : wrong) {
    SCOPED_TRACE(option[0] + " " + option[1]);
    expect_refused(prune_with({"--ratio", "0.25", option[0], option[1]}), {option[0]}, 2);
  }
}

TEST_F(BadOption, ContradictingOptionsAreWrongUsage) {
  write_bytes(mask(), R"({"layers": []})");
  train(model());
  expect_refused(prune_with({"--mask", mask(), "--ratio", "0.25"}), {"--ratio", "--mask"}, 2);
  expect_refused(prune_with({"--mask", mask(), "--method", "random"}), {"--mask", "--method"}, 2);
  expect_refused(prune_with({"--mask", mask(), "--policy", policy()}), {"--mask", "--policy"}, 2);
  expect_refused(prune_with({"--ratio", "0.25", "--policy", policy(), "--method", "random"}),
                 {"--policy", "--method prunenet, not random"}, 2);
  expect_refused(prune_with({"--ratio", "0.25", "--select", "top", "--method", "product"}),
                 {"--select", "--method prunenet, not product"}, 2);
}

TEST_F(BadOption, OptionsThatWouldDoNothingAreWrongUsage) {
  write_bytes(mask(), R"({"layers": []})");
  train(model());
  expect_refused(prune_with({"--ratio", "0.25", "--method", "random", "--episodes", "3"}), {"--episodes", "no policy"}, 2);
  expect_refused(prune_with({"--ratio", "0.25", "--method", "random", "--route", "direct"}), {"--route", "no spectrum"}, 2);
  expect_refused(prune_with({"--ratio", "0.25", "--method", "prunenet", "--policy", policy(), "--lr", "0.1"}),
                 {"--lr", "no policy is trained"}, 2);
  expect_refused(prune_with({"--mask", mask(), "--width-multiple", "4"}), {"--width-multiple", "--mask"}, 2);
  expect_refused(prune_with({"--mask", mask(), "--select", "top"}), {"--select", "--mask"}, 2);
}

TEST_F(BadOption, ForceNeverOverwritesAModelOrAStrangersFile) {
  const std::string weights = model() / "model.safetensors", notes = root() / "notes.txt";
  write_bytes(notes, "mine");
  train(model());
  expect_refused({"train", model(), "-o", weights, "--ratio", "0.25", "--force"}, {"checkpoint folder", "put it beside"});
  expect_refused({"spectrum", model(), "--report", weights, "--force"}, {"checkpoint folder"});
  expect_refused(prune({"--report", model() / "config.json", "--force"}), {"checkpoint folder"});
  expect_refused(prune({"--report", out() / "model.safetensors", "--force"}), {"checkpoint folder"});
  expect_refused(prune({"--report", notes, "--force"}), {"notes.txt", "is no report of this program"});
  expect_refused(prune({"--report", policy(), "--force"}), {"is no report of this program"});
  expect_refused({"train", model(), "-o", notes, "--ratio", "0.25", "--force"}, {"notes.txt", "is no policy of this program"});
}

TEST_F(BadOption, WidthMultipleLargerThanTheWidth) {
  expect_refused(prune({"--width-multiple", "13"}), {"--width-multiple", "is 13", "the FFN width 12"});
}

TEST_F(BadOption, MaskThatIsNoMask) {
  expect_refused(prune_with({"--mask", mask()}), {mask(), "no such file"});
  expect_mask_refused("", {"is no JSON"});
  expect_mask_refused("{\"layers\": [", {"is no JSON"});
  expect_mask_refused("{\"rows\": []}", {"is no mask", "\"layers\""});
  expect_mask_refused(R"({"layers": [{"index": 0}]})", {"lacks a whole 'index' or a list 'keep'"});
  expect_mask_refused(R"({"layers": [{"index": 0.5, "keep": [1]}]})", {"lacks a whole 'index' or a list 'keep'"});
}

TEST_F(BadOption, MaskOfAWrongLayer) {
  expect_mask_refused(R"({"layers": [{"index": 2, "keep": [0]}]})", {"names layer 2, the model has layers 0 to 1"});
  expect_mask_refused(R"({"layers": [{"index": -1, "keep": [0]}]})", {"names layer -1"});
  expect_mask_refused(R"({"layers": [{"index": 0, "keep": [0]}, {"index": 0, "keep": [1]}]})", {"names layer 0 twice"});
}

TEST_F(BadOption, MaskOfWrongRows) {
  expect_mask_refused(R"({"layers": [{"index": 0, "keep": [0, 12]}]})", {"layer 0 keeps row 12, its rows are 0 to 11"});
  expect_mask_refused(R"({"layers": [{"index": 1, "keep": [-1, 3]}]})", {"layer 1 keeps row -1, its rows are 0 to 11"});
  expect_mask_refused(R"({"layers": [{"index": 1, "keep": [3, 0, 3]}]})", {"layer 1 keeps row 3 twice"});
  expect_mask_refused(R"({"layers": [{"index": 0, "keep": []}]})", {"layer 0 keeps no row"});
  expect_mask_refused(R"({"layers": [{"index": 0, "keep": [1.5]}]})", {"layer 0", "1.5"});
  expect_mask_refused(R"({"layers": [{"index": 0, "keep": [18446744073709551615]}]})", {"layer 0"});
}

TEST_F(BadOption, PolicyThatIsNoPolicy) {
  expect_policy_refused({policy(), "no such file"});
  write_bytes(policy(), "this is no safetensors file, and it is long enough to be read as one");
  expect_policy_refused({policy(), "no safetensors file"});
  fs::copy_file(model() / "model.safetensors", policy(), fs::copy_options::overwrite_existing);
  expect_policy_refused({policy(), "is not a policy written by 'prunenet train'"});
}

TEST_F(BadOption, PolicyOfAnotherHiddenSize) {
  TinySizes sizes;
  sizes.hidden = 16;
  tiny_model(1, sizes).write(root() / "wider");
  train(root() / "wider");
  expect_policy_refused({"was trained on models of hidden size 16, this model's is 8"});
}

TEST_F(BadOption, TruncatedPolicy) {
  train(model());
  fs::resize_file(policy(), fs::file_size(policy()) - 1);
  expect_policy_refused({policy(), "it is truncated"});
}

TEST_F(BadOption, PolicyFileExists) {
  write_bytes(policy(), "precious");
  const std::vector<std::string> train{"train", model(), "-o", policy(), "--ratio", "0.25"};
  expect_refused(train, {policy(), "exists already"});
}

TEST_F(BadOption, ReportExists) {
  write_bytes(report(), "precious");
  expect_refused(prune({"--report", report()}), {report(), "exists already"});
  expect_refused({"spectrum", model(), "--report", report()}, {report(), "exists already"});
}

TEST_F(BadOption, ReportInAMissingFolder) {
  const fs::path deep = root() / "missing" / "report.html";
  expect_refused(prune({"--report", deep}), {root() / "missing", "no such folder"});
  expect_refused({"spectrum", model(), "--report", deep}, {root() / "missing", "no such folder"});
  expect_refused({"train", model(), "-o", deep, "--ratio", "0.25"}, {root() / "missing", "no such folder"});
}

TEST_F(BadOption, ReportThatIsAFolder) {
  fs::create_directory(report());
  expect_refused(prune({"--report", report(), "--force"}), {report()});
  expect_refused({"spectrum", model(), "--report", report(), "--force", "-q"}, {report()});
  expect_refused({"train", model(), "-o", report(), "--ratio", "0.25", "--force", "-q"}, {report()});
}

TEST_F(BadOption, SpectrumOfModelsWithDifferentNumbersOfLayers) {
  TinySizes sizes;
  sizes.layers = 3;
  tiny_model(1, sizes).write(root() / "deeper");
  expect_refused({"spectrum", model(), root() / "deeper"}, {root() / "deeper", "has 3 layers", "has 2"});
}

}  // namespace
}  // namespace prunenet::test
