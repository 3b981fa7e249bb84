// prunenet compare: a model with itself, with a pruned copy, on own text and on a file; its report; what it refuses.
#include <cmath>

#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Compare : public Refusal {
 protected:
  Compare() {
    auto tiny = tiny_model();
    tiny.config["bos_token_id"] = 1;
    tiny.write(model());
  }
  void prune_into(const fs::path& source, const fs::path& target, const std::string& ratio) const {
    const RunResult result = run_prunenet(
        {"prune", source, "-o", target, "--ratio", ratio, "--method", "random", "--width-multiple", "1", "-q"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
};

TEST_F(Compare, AModelWithItself) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json = prunenet_json(small_run({"compare", model(), model(), "--own-text", "4", "--tokens", "16"}));
  for (const char* key : {"kl_nats", "kl_standard_error"}) EXPECT_EQ(json[key], 0) << key;
  for (const char* key : {"top1_agreement", "perplexity_ratio", "params_ratio", "bytes_ratio", "flops_ratio"}) {
    EXPECT_EQ(json[key], 1) << key;
  }
  EXPECT_EQ(json["num_sequences"], 4);
  EXPECT_EQ(json["num_predictions"], 60);
}

TEST_F(Compare, SizesAreThoseOfInspect) {
  PRUNENET_REQUIRE_RUNTIME();
  prune_into(model(), out(), "0.25");
  const Json json =
      prunenet_json(small_run({"compare", model(), out(), "--own-text", "8", "--tokens", "16", "--seed", "5"}));
  const Json before = prunenet_json({"inspect", model()}), after = prunenet_json({"inspect", out()});
  for (const auto& [side, inspected] : {std::pair{json["dense"], before}, std::pair{json["other"], after}}) {
    for (const char* key : {"params", "bytes", "flops_per_token"}) EXPECT_EQ(side[key], inspected[key]) << key;
  }
  EXPECT_DOUBLE_EQ(json["params_ratio"], after["params"].get<double>() / before["params"].get<double>());
  EXPECT_GT(json["kl_nats"], 0);
  EXPECT_NEAR(json["perplexity_ratio"].get<double>(),
              json["other"]["perplexity"].get<double>() / json["dense"]["perplexity"].get<double>(), 1e-12);
  EXPECT_EQ(json["kl_by_sequence"].size(), 8u);
  EXPECT_EQ(json["kl_by_position"].size(), 15u);
  EXPECT_EQ(prunenet_json(small_run({"compare", model(), out(), "--own-text", "8", "--tokens", "16", "--seed", "5"})),
            json);
}

// Text drawn from the dense model: the mean of log p - log q over it is an unbiased estimate of the KL. And a random
// cut of 30 % of the FFN is known to cost about 1.83 +- 0.14 nats (ten masks).
TEST_F(Compare, OfARealModelFindsTheKnownLoss) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path stories = data / "models" / "stories260K";
  prune_into(stories, out(), "0.3");
  const Json json = prunenet_json(small_run({"compare", stories, out(), "--own-text", "24", "--tokens", "128"}));
  const double kl = json["kl_nats"];
  EXPECT_GT(kl, 1.83 - 3 * 0.14);
  EXPECT_LT(kl, 1.83 + 3 * 0.14);
  EXPECT_NEAR(std::log(json["perplexity_ratio"].get<double>()), kl, 0.15);
  EXPECT_LT(json["kl_standard_error"], 0.1);
  EXPECT_LT(json["top1_agreement"], 0.6);
}

TEST_F(Compare, OnAFile) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path stories = data / "models" / "stories260K";
  std::string text;
  for (int i = 0; i < 30; ++i) text += "Once upon a time, there was a little girl named Lily. ";
  write_bytes(root() / "text.txt", text);
  const Json json =
      prunenet_json(small_run({"compare", stories, stories, "--data", root() / "text.txt", "--tokens", "64"}));
  EXPECT_EQ(json["kl_nats"], 0);
  EXPECT_GT(json["num_sequences"], 2);
  // Every id of the text is predicted once: each window begins with a BOS of its own.
  const Json ids = prunenet_json(small_run({"score", stories, "--text", text}))["ids"];
  EXPECT_EQ(json["num_predictions"].get<size_t>(), ids.size() - 1);
  const Json two = prunenet_json(
      small_run({"compare", stories, stories, "--data", root() / "text.txt", "--tokens", "64", "--limit", "2"}));
  EXPECT_EQ(two["num_sequences"], 2);
  EXPECT_EQ(two["num_predictions"], 126);
}

TEST_F(Compare, WritesAReport) {
  PRUNENET_REQUIRE_RUNTIME();
  prune_into(model(), out(), "0.5");
  const fs::path report = root() / "report.html";
  const std::vector<std::string> arguments =
      small_run({"compare", model(), out(), "--own-text", "4", "--tokens", "16", "--report", report});
  const RunResult result = run_prunenet(arguments);
  ASSERT_EQ(result.status, 0) << result.err;
  const std::string page = read_bytes(report);
  for (const char* part :
       {"prunenet report", "What it says differently", "comparison-position", "comparison-sequence"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  expect_refused(arguments, {"report.html", "exists already"});
}

TEST_F(Compare, WrongUsage) {
  expect_refused({"compare", model()}, {"OTHER"}, 2);
  const auto refuse = [&](std::vector<std::string> options, const std::vector<std::string>& fragments) {
    options.insert(options.begin(), {"compare", model(), model()});
    expect_refused(options, fragments, 2);
  };
  refuse({"--own-text", "2", "--data", "x"}, {"--own-text", "--data"});
  refuse({"--data", "x", "--seed", "1"}, {"--seed", "--data"});
  refuse({"--limit", "2"}, {"--limit", "--data"});
  refuse({"--own-text", "0"}, {"--own-text"});
  refuse({"--tokens", "1"}, {"--tokens"});
}

TEST_F(Compare, BadInput) {
  TinySizes sizes;
  sizes.vocab = 17;
  tiny_model(1, sizes).write(root() / "wider");
  expect_refused({"compare", model(), root() / "wider"}, {"a vocabulary of 17 tokens", "of 16", "cannot be compared"});
  auto plain = tiny_model();
  plain.write(root() / "no-bos");
  expect_refused({"compare", root() / "no-bos", root() / "no-bos"}, {"bos_token_id", "eos_token_id"});
  auto tiny = tiny_model();
  tiny.config["bos_token_id"] = 1;
  tiny.config["max_position_embeddings"] = 8;
  tiny.write(root() / "short");
  expect_refused({"compare", model(), root() / "short", "--tokens", "9"}, {"--tokens", "is 9", "holds 8"});
  expect_refused({"compare", model(), model(), "--report", model() / "r.html"}, {"checkpoint folder"});
}

TEST_F(Compare, ShortContextsShortenTheDefault) {
  PRUNENET_REQUIRE_RUNTIME();
  auto tiny = tiny_model();
  tiny.config["bos_token_id"] = 1;
  tiny.config["max_position_embeddings"] = 8;
  tiny.write(root() / "short");
  const Json json = prunenet_json(small_run({"compare", model(), root() / "short", "--own-text", "3"}));
  EXPECT_EQ(json["num_predictions"], 21);
}

TEST_F(Compare, AFileThatSaysNothing) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path stories = data / "models" / "stories260K";
  write_bytes(root() / "empty.txt", "");
  expect_refused({"compare", stories, stories, "--data", root() / "empty.txt", "-q"}, {"empty.txt", "is empty"});
  expect_refused({"compare", stories, stories, "--data", root() / "none.txt", "-q"}, {"none.txt", "no such file"});
}

}  // namespace
}  // namespace prunenet::test
