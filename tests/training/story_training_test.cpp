// Training through the runtime's forward pass: gradients that are derivatives, a loss that falls, the same bytes twice.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "checkpoint/checkpoint.h"
#include "runtime/torch_engine.h"
#include "story_folder.h"
#include "story_trainer.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

constexpr StoryModelShape kTiny{
    .hidden = 16, .ffn = 24, .layers = 2, .heads = 2, .kv_heads = 1, .vocab = 400, .positions = 64};

BpeEncoder& tiny_encoder() {
  static BpeEncoder encoder = learn_story_tokenizer(7, kTiny.vocab);
  return encoder;
}

at::Tensor mean_loss(const StoryModel& model, const at::Tensor& ids) {
  const int64_t length = ids.size(1) - 1;
  return at::cross_entropy_loss(model.logits(ids.narrow(1, 0, length)).reshape({ids.size(0) * length, -1}),
                                ids.narrow(1, 1, length).reshape({-1}));
}

at::Tensor rows(int64_t count) {
  at::Tensor ids = at::empty({count, kTiny.positions + 1}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const auto row = training_row(tiny_encoder(), 7, static_cast<uint32_t>(i), kTiny.positions + 1);
    std::copy(row.begin(), row.end(), ids.data_ptr<int64_t>() + i * (kTiny.positions + 1));
  }
  return ids;
}

// Along the gradient the loss must change by the step times the squared norm. One direction a tensor, both sides of it,
// in f32: a step of 1e-2 of the gradient's length leaves four digits.
TEST(StoryTraining, GradientsAreDerivativesOfTheRuntimesForwardPass) {
  StoryModel model(kTiny, 3);
  const at::Tensor ids = rows(2);
  mean_loss(model, ids).backward();
  const at::NoGradGuard no_grad;
  for (const auto& [name, parameter] : model.parameters()) {
    const at::Tensor gradient = parameter.grad(), before = parameter.clone();
    const double norm = gradient.norm().item<double>();
    ASSERT_GT(norm, 0) << name;
    at::Tensor(parameter).copy_(before + gradient * (1e-2 / norm));
    const double above = mean_loss(model, ids).item<double>();
    at::Tensor(parameter).copy_(before - gradient * (1e-2 / norm));
    const double below = mean_loss(model, ids).item<double>();
    at::Tensor(parameter).copy_(before);
    EXPECT_NEAR((above - below) / 2e-2, norm, 0.02 * norm + 1e-4) << name;
  }
}

TEST(StoryTraining, AFewStepsLowerTheLoss) {
  StoryModel model(kTiny, 3);
  StoryTraining options;
  options.steps = 60;
  options.rows = 4;
  options.warmup_steps = 5;
  StoryTrainer trainer(model, tiny_encoder(), options);
  std::vector<double> losses;
  for (int64_t i = 0; i < options.steps; ++i) losses.push_back(trainer.step());
  EXPECT_NEAR(losses.front(), std::log(400.0), 0.3);  // an untrained model knows nothing
  const double last = std::accumulate(losses.end() - 10, losses.end(), 0.0) / 10;
  EXPECT_LT(last, losses.front() - 1.0);
}

TEST(StoryTraining, TwoRunsGiveTheSameFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"one", "two"}) {
    StoryModel model(kTiny, 3);
    StoryTraining options;
    options.steps = options.rows = 3;
    StoryTrainer trainer(model, tiny_encoder(), options);
    for (int i = 0; i < 3; ++i) trainer.step();
    write_story_model(folder / name, false, model, tiny_encoder().vocabulary(), "a card\n");
  }
  const auto one = folder_contents(folder / "one");
  EXPECT_EQ(one.size(), 6u);
  EXPECT_EQ(one, folder_contents(folder / "two"));
}

TEST(StoryTraining, WhatIsWrittenRunsLikeWhatWasTrained) {
  const TemporaryFolder folder;
  StoryModel model(kTiny, 3);
  model.round_to_bf16();
  write_story_model(folder / "model", false, model, tiny_encoder().vocabulary(), "a card\n");
  const Checkpoint checkpoint(folder / "model");
  const ModelDescription description = describe_model(checkpoint);
  EXPECT_EQ(description.max_context, kTiny.positions);
  TorchEngine engine(checkpoint, description, {});
  const std::vector<ScoreRequest> requests = {{encode_story(tiny_encoder(), story::random_story(8, 0)).ids, 1}};
  const std::vector<ScoreRequest> cut = {{{requests[0].ids.begin(), requests[0].ids.begin() + 40}, 1}};
  const auto expected = model.score(cut), found = engine.score(cut);
  ASSERT_EQ(found.front().size(), 39u);
  for (size_t i = 0; i < 39; ++i) EXPECT_NEAR(found[0][i].log_prob, expected[0][i].log_prob, 1e-5);
  expect_error(ErrorCode::kExists, {"model"},
               [&] { write_story_model(folder / "model", false, model, tiny_encoder().vocabulary(), ""); });
}

TEST(StoryTraining, RefusesNumbersThatMakeNoTraining) {
  StoryModel model(kTiny, 3);
  StoryTraining options;
  options.rows = 0;
  expect_error(ErrorCode::kBadOption, {"rows"}, [&] { StoryTrainer(model, tiny_encoder(), options); });
}

}  // namespace
}  // namespace prunenet::test
