// Pruning a real trained model (stories260K) from end to end: the same bytes every time, a complete folder, every way
// of choosing.
#include <algorithm>
#include <regex>
#include <set>

#include "program/checkpoints.h"
#include "program/run.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Prune : public ::testing::Test {
 protected:
  void SetUp() override {
    PRUNENET_REQUIRE_SHARED_DATA(data);
    model_ = data / "models" / "stories260K";
  }

  fs::path at(const std::string& name) const { return folder_ / name; }
  /// Prunes stories260K into `name` and gives the JSON result.
  Json prune(const std::string& name, const std::vector<std::string>& options) const {
    return prune_model(model_, name, options);
  }
  Json prune_model(const fs::path& model, const std::string& name, const std::vector<std::string>& options) const {
    std::vector<std::string> arguments{"prune", model, "-o", at(name)};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return prunenet_json(arguments);
  }
  std::string weights(const std::string& name) const { return read_bytes(at(name) / "model.safetensors"); }

  fs::path model_;
  TemporaryFolder folder_;
};

const std::vector<std::string> kThird{"--ratio", "0.3", "--method", "prunenet"};

// A method among `more` takes the place of the policy.
std::vector<std::string> third_and(const std::vector<std::string>& more) {
  std::vector<std::string> options = kThird;
  if (std::find(more.begin(), more.end(), "--method") != more.end()) options.resize(2);
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

void expect_same_folders(const fs::path& a, const fs::path& b) {
  const auto first = folder_contents(a), second = folder_contents(b);
  EXPECT_EQ(first.size(), second.size());
  for (const auto& [name, bytes] : first) EXPECT_TRUE(second.contains(name) && second.at(name) == bytes) << name;
}

TEST_F(Prune, TheSameCommandGivesTheSameBytes) {
  prune("one", third_and({"--method", "prunenet", "--seed", "42"}));
  prune("two", third_and({"--method", "prunenet", "--seed", "42"}));
  expect_same_folders(at("one"), at("two"));
}

TEST_F(Prune, ThreadsNeverChangeTheResult) {
  prune("all", kThird);
  for (const std::string threads : {"1", "2", "3"}) {
    prune(threads, third_and({"--threads", threads}));
    expect_same_folders(at("all"), at(threads));
  }
}

TEST_F(Prune, TheOutputIsCompleteAndSaysOfItselfWhatWasPrinted) {
  const Json printed = prune("out", kThird);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(at("out"))) names.insert(entry.path().filename());
  for (const std::string name : {"config.json", "model.safetensors", "prunenet.json", "tokenizer.json",
                                 "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_FALSE(names.contains("stories260K.gguf")) << "the dense weights must not come along";
  EXPECT_EQ(read_bytes(at("out") / "tokenizer.json"), read_bytes(model_ / "tokenizer.json"));

  const Json before = prunenet_json({"inspect", model_}), after = prunenet_json({"inspect", at("out")});
  EXPECT_EQ(printed["kept_widths"], Json(std::vector<int64_t>(5, 128)));
  EXPECT_EQ(after["ffn_widths"], printed["kept_widths"]);
  for (const std::string key : {"params", "ffn_params", "bytes", "flops_per_token"}) {
    EXPECT_EQ(printed[key + "_before"], before[key]) << key;
    EXPECT_EQ(printed[key + "_after"], after[key]) << key;
  }
  const double ffn = 1 - after["ffn_params"].get<double>() / before["ffn_params"].get<double>();
  EXPECT_NEAR(printed["ffn_ratio_reached"], ffn, 1e-12);
  EXPECT_TRUE(after["width_matches_config"]);
  EXPECT_TRUE(after["tied_head"]);
}

TEST_F(Prune, AnotherSeedChoosesOtherNeurons) {
  for (const std::string method : {"prunenet", "random"}) {
    prune(method + "42", third_and({"--method", method}));
    prune(method + "43", third_and({"--method", method, "--seed", "43"}));
    EXPECT_NE(kept_rows_of(at(method + "42")), kept_rows_of(at(method + "43"))) << method;
  }
}

TEST_F(Prune, TrainAndPruneEqualsPruneAlone) {
  prunenet_json({"train", model_, "-o", at("policy"), "--ratio", "0.3"});
  prune("in-two-steps", third_and({"--policy", at("policy")}));
  prune("in-one", kThird);
  EXPECT_EQ(weights("in-two-steps"), weights("in-one"));
  EXPECT_EQ(read_bytes(at("in-two-steps") / "config.json"), read_bytes(at("in-one") / "config.json"));
}

TEST_F(Prune, APolicyServesAnotherRatioAndAnotherModel) {
  prunenet_json({"train", model_, "-o", at("policy"), "--ratio", "0.3"});
  const Json half = prune("half", {"--ratio", "0.5", "--method", "prunenet", "--policy", at("policy")});
  EXPECT_EQ(half["kept_widths"], Json(std::vector<int64_t>(5, 96)));
  EXPECT_FALSE(half.contains("training"));

  // A model of equal shape: the same tensors with their bytes moved to other places of the layer.
  fs::create_directory(at("sister"));
  for (const auto& entry : fs::directory_iterator(model_))
    fs::copy_file(entry.path(), at("sister") / entry.path().filename());
  fs::permissions(at("sister") / "model.safetensors", fs::perms::owner_all);
  std::string bytes = read_bytes(model_ / "model.safetensors");
  const Checkpoint checkpoint(model_);
  for (int layer = 0; layer < 5; ++layer) {
    const auto& gate = checkpoint.at("model.layers." + std::to_string(layer) + ".mlp.gate_proj.weight").stored;
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(gate.offset);
    std::rotate(begin, begin + 64 * 4 * 50, begin + static_cast<std::ptrdiff_t>(gate.spec.size_bytes()));
  }
  write_bytes(at("sister") / "model.safetensors", bytes);
  prune_model(at("sister"), "sister-pruned", third_and({"--policy", at("policy")}));
  prune("pruned", third_and({"--policy", at("policy")}));
  EXPECT_EQ(prunenet_json({"inspect", at("sister-pruned")})["params"],
            prunenet_json({"inspect", at("pruned")})["params"]);
  EXPECT_NE(kept_rows_of(at("sister-pruned")), kept_rows_of(at("pruned")));
}

TEST_F(Prune, EveryMethodWorks) {
  std::set<Rows> choices;
  for (const std::string method : {"prunenet", "random", "gate-norm", "up-norm", "down-norm", "product", "gaussian"}) {
    const Json json = prune(method, third_and({"--method", method}));
    EXPECT_EQ(json["method"], method);
    EXPECT_EQ(prunenet_json({"inspect", at(method)})["ffn_widths"], json["kept_widths"]);
    EXPECT_EQ(Json::parse(read_bytes(at(method) / "prunenet.json"))["method"], method);
    choices.insert(kept_rows_of(at(method)));
  }
  EXPECT_EQ(choices.size(), 7u) << "two methods chose the same";
}

TEST_F(Prune, TopRowsOfAPolicyNeedNoSeed) {
  prunenet_json({"train", model_, "-o", at("policy"), "--ratio", "0.3"});
  prune("42", third_and({"--policy", at("policy"), "--select", "top"}));
  prune("43", third_and({"--policy", at("policy"), "--select", "top", "--seed", "43"}));
  prune("drawn", third_and({"--policy", at("policy")}));
  EXPECT_EQ(weights("42"), weights("43"));
  EXPECT_NE(weights("42"), weights("drawn"));
}

TEST_F(Prune, AMaskOfTheKeptRowsGivesTheSameWeights) {
  prune("chosen", kThird);
  write_bytes(at("mask.json"), mask_text(kept_rows_of(at("chosen"))));
  const Json json = prune("by-mask", {"--mask", at("mask.json")});
  EXPECT_EQ(json["method"], "mask");
  EXPECT_EQ(weights("by-mask"), weights("chosen"));
}

void expect_no_place_and_no_time(const Json& value, const std::string& key) {
  static const std::regex timely("(^|_)(time|date|elapsed|when|host|user)($|_)"),
      clock("[0-9]:[0-9]|[0-9]{4}-[0-9]{2}-[0-9]{2}");
  EXPECT_FALSE(std::regex_search(key, timely)) << key;
  if (value.is_string()) {
    EXPECT_EQ(value.get<std::string>().find('/'), std::string::npos) << key << ": " << value;
    EXPECT_FALSE(std::regex_search(value.get<std::string>(), clock)) << key << ": " << value;
  }
  if (value.is_structured()) {
    for (const auto& [inner, element] : value.items())
      expect_no_place_and_no_time(element, value.is_object() ? inner : key);
  }
}

TEST_F(Prune, TheArtefactHoldsNoPathAndNoTime) {
  prunenet_json({"train", model_, "-o", at("policy"), "--ratio", "0.3"});
  prune("trained", third_and({"--report", at("report.html")}));
  prune("by-policy", third_and({"--policy", at("policy")}));
  write_bytes(at("mask.json"), mask_text(kept_rows_of(at("trained"))));
  prune("by-mask", {"--mask", at("mask.json")});
  for (const std::string name : {"trained", "by-policy", "by-mask"}) {
    SCOPED_TRACE(name);
    const Json artefact = Json::parse(read_bytes(at(name) / "prunenet.json"));
    for (const std::string key : {"version", "method", "seed", "options", "source", "layers"})
      EXPECT_TRUE(artefact.contains(key)) << key;
    for (const std::string key : {"header_sha256", "tensor_bytes"})
      EXPECT_TRUE(artefact["source"].contains(key)) << key;
    expect_no_place_and_no_time(artefact, "");
  }
}

TEST_F(Prune, RatioZeroKeepsEveryByte) {
  const Json json = prune("whole", {"--ratio", "0", "--method", "product"});
  EXPECT_EQ(json["params_after"], json["params_before"]);
  expect_same_tensors(tensors_of(model_), tensors_of(at("whole")));
  EXPECT_EQ(read_bytes(at("whole") / "config.json"), read_bytes(model_ / "config.json"));
}

TEST_F(Prune, TheReportShowsEveryLayer) {
  for (const std::string method : {"prunenet", "random"}) {
    prune(method, third_and({"--method", method, "--report", at(method + ".html")}));
    const std::string html = read_bytes(at(method + ".html"));
    EXPECT_TRUE(html.starts_with("<!doctype html>") || html.starts_with("<!DOCTYPE html>")) << html.substr(0, 60);
    EXPECT_TRUE(html.find("</html>") != std::string::npos);
    EXPECT_EQ(html.find(folder_.path().string()), std::string::npos) << "a path of this machine is in the report";
    EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=\"https?:"))) << "the report needs the network";
    for (int layer = 0; layer < 5; ++layer) {
      EXPECT_TRUE(std::regex_search(html, std::regex("[Ll]ayer " + std::to_string(layer) + "[^0-9]"))) << layer;
    }
  }
}

TEST_F(Prune, TheReportDoesNotChangeTheModel) {
  prune("with", third_and({"--method", "product", "--report", at("r.html")}));
  prune("without", third_and({"--method", "product"}));
  EXPECT_EQ(weights("with"), weights("without"));
}

TEST_F(Prune, ShardsHoldTheSameTensors) {
  prune("one-file", kThird);
  prune("shards", third_and({"--max-shard-size", "0.0002"}));
  size_t shards = 0;
  for (const auto& entry : fs::directory_iterator(at("shards"))) {
    if (entry.path().extension() != ".safetensors") continue;
    ++shards;
    EXPECT_LT(entry.file_size(), 210'000u) << entry.path();
  }
  EXPECT_GE(shards, 4u);
  EXPECT_TRUE(fs::exists(at("shards") / "model.safetensors.index.json"));
  expect_same_tensors(tensors_of(at("one-file")), tensors_of(at("shards")));
  EXPECT_EQ(prunenet_json({"inspect", at("shards")}), prunenet_json({"inspect", at("one-file")}));
  EXPECT_EQ(prune_model(at("shards"), "again", {"--ratio", "0.5", "--method", "prunenet"})["kept_widths"], Json(std::vector<int64_t>(5, 64)));
}

TEST_F(Prune, APrunedModelCanBePrunedAgain) {
  prune("once", kThird);
  const Json twice = prune_model(at("once"), "twice", {"--ratio", "0.5", "--method", "product"});
  EXPECT_EQ(twice["kept_widths"], Json(std::vector<int64_t>(5, 64)));
  EXPECT_EQ(Json::parse(read_bytes(at("twice") / "prunenet.json"))["method"], "product");
}

TEST_F(Prune, ASnapshotOfTheHubCacheIsRead) {
  const fs::path snapshot = at("models--org--name") / "snapshots" / "abc", blobs = at("models--org--name") / "blobs";
  fs::create_directories(snapshot);
  fs::create_directories(blobs);
  for (const std::string name : {"config.json", "model.safetensors", "tokenizer.json"}) {
    fs::copy_file(model_ / name, blobs / ("hash-of-" + name));
    fs::create_symlink("../../blobs/hash-of-" + name, snapshot / name);
  }
  prune_model(snapshot, "from-cache", kThird);
  prune("direct", kThird);
  EXPECT_EQ(weights("from-cache"), weights("direct"));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(at("from-cache") / "tokenizer.json"))) << "a link was copied";
}

}  // namespace
}  // namespace prunenet::test
