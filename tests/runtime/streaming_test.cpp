// Streaming: when an engine does so by itself, and that it changes no bit of anything. The head of the model has more
// rows than one run of it.
#include "engine/streaming.h"

#include "generate/own_text.h"
#include "golden_model.h"
#include "support/tiny_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

class Streaming : public testing::TestWithParam<ComputeType> {};

std::vector<std::vector<TokenId>> some_texts(int64_t vocab) {
  std::vector<std::vector<TokenId>> texts;
  for (int64_t s = 0; s < 5; ++s) {
    texts.emplace_back();
    for (int64_t t = 0; t < 40 + 13 * s; ++t)
      texts.back().push_back(static_cast<TokenId>((t * 377 + s * 1013 + t * t % 101 * 89) % vocab));
  }
  return texts;
}

void add(std::vector<float>& numbers, const Matrix<float>& m) {
  numbers.insert(numbers.end(), m.data(), m.data() + m.size());
}

TEST_P(Streaming, ChangesNoBit) {
  constexpr int64_t kVocab = 9001;
  const TemporaryFolder folder;
  TinyModel made = tiny_model(3, {.hidden = 64, .width = 96, .layers = 2, .vocab = kVocab});
  made.config["bos_token_id"] = 1;
  made.config["eos_token_id"] = 2;
  made.write(folder / "model");
  const auto texts = some_texts(kVocab);
  struct Said {
    std::vector<float> logits, scores, sensitivities, walk;
    std::vector<std::vector<TokenId>> own_text;
  };
  const auto run = [&](bool stream) {
    EngineOptions options;
    options.compute = GetParam();
    options.stream = stream;
    RunningModel running(folder / "model", options);
    EXPECT_EQ(running.engine.streams(), stream);
    Said said;
    said.logits = running.engine.logits(texts).values;
    std::vector<ScoreRequest> requests;
    for (const auto& ids : texts) requests.push_back({ids, 1});
    for (const auto& scores : running.engine.score(requests)) {
      for (const TokenScore& score : scores) said.scores.push_back(score.log_prob);
    }
    running.engine.sensitivities(texts, [&](int64_t, Site, const Matrix<float>& g) { add(said.sensitivities, g); });
    OwnTextOptions own;
    own.sequences = 6;
    own.tokens = 24;
    SilentProgress silent;
    said.own_text = sample_own_text(running.engine, running.model, own, silent);
    const auto walk = running.engine.open_walk(texts);
    const SiteMoments moments = walk->measure(0, Site::kFfn, TargetOptions{0.5});
    add(said.walk, moments.target->cross);
    SiteChange change;
    for (int64_t i = 0; i < 60; ++i) change.kept.push_back(i);
    change.weight = moments.target->cross.leftCols(60);
    walk->change(0, Site::kFfn, change);
    add(said.walk, walk->measure(1, Site::kAttention, TargetOptions{0.5}).target->cross);
    said.walk.push_back(static_cast<float>(walk->finish()));
    return said;
  };
  const Said whole = run(false), streamed = run(true);
  EXPECT_GT(whole.walk.back(), 0);
  EXPECT_EQ(streamed.logits, whole.logits);
  EXPECT_EQ(streamed.scores, whole.scores);
  EXPECT_EQ(streamed.sensitivities, whole.sensitivities);
  EXPECT_EQ(streamed.own_text, whole.own_text);
  EXPECT_EQ(streamed.walk, whole.walk);
}

INSTANTIATE_TEST_SUITE_P(Types, Streaming, testing::Values(ComputeType::kF32, ComputeType::kBf16),
                         [](const auto& param_info) { return param_info.param == ComputeType::kF32 ? "f32" : "bf16"; });

TEST(StreamingRule, ThreeQuartersOfWhatIsFree) {
  EngineOptions options;
  EXPECT_FALSE(engine_streams(options, 3'000'000, 4'000'000));
  EXPECT_TRUE(engine_streams(options, 3'000'001, 4'000'000));
  EXPECT_FALSE(engine_streams(options, 0, 1));
  EXPECT_FALSE(engine_streams(options, int64_t{1} << 50, 0)) << "nobody knows";
  options.device = "cuda";
  EXPECT_FALSE(engine_streams(options, int64_t{1} << 50, 1)) << "the host's memory is not what fills";
  options.stream = true;
  EXPECT_TRUE(engine_streams(options, 0, int64_t{1} << 50));
}

TEST(StreamingRule, WhatIsStoredInTheTypeOfTheProductsStaysWhereItIs) {
  const TemporaryFolder folder;
  tiny_model(1, {.hidden = 8, .width = 12, .layers = 1, .vocab = 16}).write(folder / "model");
  const Checkpoint checkpoint(folder / "model");
  const ModelDescription model = describe_model(checkpoint);
  EXPECT_EQ(converted_weight_bytes(checkpoint, model, ComputeType::kF32), 0);
  // The head, three matrices of the FFN, four of attention, three norms; the embedding is looked up.
  const int64_t numbers = 16 * 8 + 3 * 8 * 12 + 4 * 8 * 8 + 3 * 8;
  EXPECT_EQ(converted_weight_bytes(checkpoint, model, ComputeType::kBf16), 2 * numbers);
}

}  // namespace
