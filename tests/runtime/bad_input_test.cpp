// What cannot be run is refused with a clear word.
#include <limits>

#include "golden_model.h"
#include "support/tiny_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// A tiny LLaMA that can be run: tests/support makes only what cutting needs.
TinyModel runnable_model() {
  TinyModel model = tiny_model();
  model.config["rms_norm_eps"] = 1e-5;
  model.config["max_position_embeddings"] = 32;
  return model;
}

class BadModel : public testing::Test {
 protected:
  std::filesystem::path written(const TinyModel& model) {
    model.write(folder_ / "model");
    return folder_ / "model";
  }
  TemporaryFolder folder_;
};

TEST_F(BadModel, TheTinyModelItselfRuns) {
  RunningModel running(written(runnable_model()));
  EXPECT_TRUE(std::isfinite(nll_sum(running.engine, {1, 2, 3})));
}

TEST_F(BadModel, IdsThatAreNoTokens) {
  RunningModel running(written(runnable_model()));
  const auto score = [&](std::vector<TokenId> ids) { return [&running, ids] { nll_sum(running.engine, ids); }; };
  expect_error(ErrorCode::kBadOption, {"id 16 at place 2", "the vocabulary has 16"}, score({1, 2, 16}));
  expect_error(ErrorCode::kBadOption, {"id -1 at place 0"}, score({-1, 2}));
  const std::vector<std::vector<TokenId>> empty{{}};
  expect_error(ErrorCode::kBadOption, {"sequence 0 is empty"}, [&] { running.engine.logits(empty); });
}

TEST_F(BadModel, MoreIdsThanTheContext) {
  RunningModel running(written(runnable_model()));
  EXPECT_NO_THROW(nll_sum(running.engine, std::vector<TokenId>(32, 1)));
  expect_error(ErrorCode::kBadOption, {"33 ids", "context of 32"},
               [&] { nll_sum(running.engine, std::vector<TokenId>(33, 1)); });
  expect_error(ErrorCode::kBadOption, {"33 ids", "context of 32"}, [&] { running.engine.open_session(1, 33); });
}

TEST_F(BadModel, NanAndOverflowShowInTheLogits) {
  TinyModel model = runnable_model();
  model.set("model.layers.1.mlp.down_proj.weight", 3, std::numeric_limits<float>::quiet_NaN());
  RunningModel running(written(model));
  expect_error(ErrorCode::kNonFinite, {"model", "NaN"}, [&] { nll_sum(running.engine, {1, 2, 3}); });
}

TEST_F(BadModel, MissingAndMisshapenTensors) {
  TinyModel missing = runnable_model();
  missing.remove("model.norm.weight");
  expect_error(ErrorCode::kMismatch, {"model.norm.weight", "not there"},
               [&] { RunningModel running(written(missing)); });
  TinyModel misshapen = runnable_model();
  TestTensor& query = misshapen.tensor("model.layers.0.self_attn.q_proj.weight");
  query = f32_tensor(query.spec.name, {query.spec.shape[0] - 1, query.spec.shape[1]},
                     std::vector<float>(static_cast<size_t>((query.spec.shape[0] - 1) * query.spec.shape[1])));
  misshapen.write(folder_ / "second");
  expect_error(ErrorCode::kMismatch, {"self_attn.q_proj.weight", "rows"},
               [&] { RunningModel running(folder_ / "second"); });
}

TEST_F(BadModel, UnknownActivationAndRotaryScaling) {
  TinyModel model = runnable_model();
  model.config["hidden_act"] = "mish";
  expect_error(ErrorCode::kUnsupported, {"activation 'mish'", "silu"}, [&] { RunningModel running(written(model)); });
  TinyModel scaled = runnable_model();
  scaled.config["rope_scaling"] = {{"type", "spiral"}, {"factor", 2.0}};
  scaled.write(folder_ / "second");
  expect_error(ErrorCode::kUnsupported, {"'spiral'", "llama3"}, [&] { RunningModel running(folder_ / "second"); });
}

TEST_F(BadModel, Devices) {
  const auto folder = written(runnable_model());
  expect_error(ErrorCode::kBadOption, {"'tpu' is no device"}, [&] { RunningModel running(folder, {.device = "tpu"}); });
  if (!at::hasCUDA()) {
    expect_error(ErrorCode::kUnsupported, {"--device cuda", "GPU"},
                 [&] { RunningModel running(folder, {.device = "cuda"}); });
  }
}

TEST_F(BadModel, CancellingStopsBetweenLayers) {
  static int asked = 0;
  asked = 0;
  RunningModel running(written(runnable_model()), {.throw_if_cancelled = [] {
                         if (++asked > 3) fail(ErrorCode::kCancelled, "test", "interrupted");
                       }});
  expect_error(ErrorCode::kCancelled, {"interrupted"}, [&] { nll_sum(running.engine, {1, 2, 3}); });
}

}  // namespace
