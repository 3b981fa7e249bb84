// Models of GGUF files run like the folders that they are made of.
#include "golden_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

TEST(GgufStories, LogitsAreThoseOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  RunningModel running(folder / "stories260K.gguf"), reference(folder);
  const auto golden = nlohmann::json::parse(read_bytes(folder / "golden.json"));
  std::vector<std::vector<TokenId>> sequences;
  for (const auto& sentence : golden["sentences"]) sequences.push_back(sentence["ids"].get<std::vector<TokenId>>());
  const Logits logits = running.engine.logits(sequences), expected = reference.engine.logits(sequences);
  EXPECT_LE(largest_difference(logits.values, expected.values), 1e-5);
  for (const auto& sentence : golden["sentences"]) {
    const auto ids = sentence["ids"].get<std::vector<TokenId>>();
    EXPECT_NEAR(nll_sum(running.engine, ids), sentence["nll_sum"].get<double>(), 5e-4);
    EXPECT_EQ(greedy_continuation(running.engine, {ids.begin(), ids.begin() + 8}, 16),
              sentence["greedy16_after_first8_ids"].get<std::vector<TokenId>>());
  }
}

}  // namespace
