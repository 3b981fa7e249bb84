// prunenet bench: its keys, several models in turn, and what it refuses. How fast anything is, is not tested.
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

using Json = nlohmann::json;

class Bench : public Refusal {
 protected:
  Bench() { tiny_model().write(model()); }
};

TEST_F(Bench, OneModelHasItsNumbersOnTop) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json =
      prunenet_json(small_run({"bench", model(), "--prompt", "6", "--generate", "3", "--repeat", "3", "--batch", "2"}));
  EXPECT_EQ(json["batch"], 2);
  EXPECT_EQ(json["threads"], 1);
  ASSERT_EQ(json["prompt_s"].size(), 3u);
  ASSERT_EQ(json["generate_s"].size(), 3u);
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[1];
  };
  EXPECT_DOUBLE_EQ(json["prompt_tokens_per_s"], 12 / median(json["prompt_s"]));
  EXPECT_DOUBLE_EQ(json["generate_tokens_per_s"], 6 / median(json["generate_s"]));
  EXPECT_GT(json["peak_rss_bytes"], 1'000'000);
  EXPECT_FALSE(json.contains("models"));
}

TEST_F(Bench, SeveralModelsHaveRatiosToTheFirst) {
  PRUNENET_REQUIRE_RUNTIME();
  TinySizes sizes;
  sizes.vocab = 9;  // what is fed must be in every vocabulary
  tiny_model(2, sizes).write(root() / "other");
  const Json json = prunenet_json(
      small_run({"bench", model(), root() / "other", model(), "--prompt", "5", "--generate", "2", "--repeat", "1"}));
  ASSERT_EQ(json["models"].size(), 3u);
  const Json first = json["models"][0];
  EXPECT_EQ(first["prompt_ratio"], 1);
  EXPECT_EQ(first["generate_ratio"], 1);
  for (const Json& row : json["models"]) {
    for (const std::string what : {"prompt", "generate"}) {
      const double own = row[what + "_tokens_per_s"], of_first = first[what + "_tokens_per_s"];
      EXPECT_DOUBLE_EQ(row[what + "_ratio"], own / of_first);
    }
  }
  EXPECT_EQ(json["models"][1]["model"], "other");
}

TEST_F(Bench, ThePromptFitsTheContextUnlessSaid) {
  auto tiny = tiny_model();
  tiny.config["max_position_embeddings"] = 10;
  tiny.write(root() / "short");
  const std::string folder = root() / "short";
  expect_refused({"bench", folder, "--prompt", "9", "--generate", "4"}, {"context of 10", "--prompt 9", "need 13"});
  expect_refused({"bench", folder, "--generate", "10"}, {"context of 10"});
  PRUNENET_REQUIRE_RUNTIME();
  EXPECT_EQ(prunenet_json(small_run({"bench", model(), folder, "--generate", "4", "--repeat", "1"}))["prompt"], 6);
}

TEST_F(Bench, WrongUsage) {
  expect_refused({"bench"}, {"MODEL"}, 2);
  for (const std::string option : {"--prompt", "--generate", "--repeat", "--batch"}) {
    for (const std::string value : {"0", "-1", "many"}) expect_refused({"bench", model(), option, value}, {option}, 2);
  }
}

}  // namespace
}  // namespace prunenet::test
