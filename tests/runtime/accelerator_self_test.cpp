// A whole self-calibrated run on a device beside the same run on the host: moments, what the loss feels, choosing,
// refitting and the walk that follows.
#include <map>

#include "base/scratch_file.h"
#include "calibrate/self_pruner.h"
#include "golden_model.h"
#include "runtime/torch_accelerator.h"
#include "test_device.h"

namespace prunenet {
namespace {

using test::RunningModel;
using test::TemporaryFolder;

struct Result {
  Mask mask;
  std::map<std::string, std::vector<std::byte>> replaced;
  ShrinkOutcome outcome;
};

Result run(RunningModel& model, Accelerator* accelerator, const std::vector<std::vector<TokenId>>& text,
           int64_t neuron_steps) {
  const TemporaryFolder temporary;
  ScratchFile scratch(temporary.path());
  SilentProgress silent;
  SelfOptions options;
  options.calibration = Calibration::kGivenText;
  options.given = text;
  options.neuron_steps = neuron_steps;
  options.neuron_iterations = 5;
  options.accelerator = accelerator;
  SelfPruner pruner(model.checkpoint, model.model, &model.engine, options, scratch, silent);
  ShrinkPlan plan;
  for (const LayerDescription& layer : model.model.layers) {
    plan.widths.push_back(layer.ffn.neurons.width * 2 / 3);
    plan.kv_groups.push_back(std::max<int64_t>(1, layer.attention.kv_groups.width - 1));
  }
  ChangedModel changed(model.checkpoint, model.model, scratch);
  Result result;
  result.outcome = pruner.shrink(plan, changed);
  result.mask = changed.mask();
  for (const auto& [name, bytes] : changed.replaced()) result.replaced[name].assign(bytes.begin(), bytes.end());
  return result;
}

class DeviceSelf : public testing::TestWithParam<int64_t> {};

// Moments are f32 sums in another order: 1e-6 of them. What comes of it after five layers, each on what those before
// give, is held to 1e-3 of the largest weight of a matrix and of the KL.
TEST_P(DeviceSelf, ChoosesTheSameAndRefitsToNearlyTheSameWeights) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  RunningModel host(folder);
  EngineOptions there;
  there.device = test::test_device();
  there.all_in_torch = true;
  RunningModel device(folder, there);
  TorchAccelerator accelerator(test::test_accelerator_options());
  SilentProgress silent;
  OwnTextOptions own;
  own.sequences = 24;
  own.tokens = 96;
  const auto text = sample_own_text(host.engine, host.model, own, silent);
  const Result expected = run(host, nullptr, text, GetParam()), found = run(device, &accelerator, text, GetParam());
  EXPECT_EQ(found.mask.kept, expected.mask.kept);
  EXPECT_EQ(found.mask.kept_kv_groups, expected.mask.kept_kv_groups);
  ASSERT_EQ(found.replaced.size(), expected.replaced.size());
  ASSERT_FALSE(expected.replaced.empty());
  for (const auto& [name, bytes] : expected.replaced) {
    ASSERT_TRUE(found.replaced.contains(name)) << name;
    ASSERT_EQ(found.replaced.at(name).size(), bytes.size()) << name;
    const auto numbers = [](const std::vector<std::byte>& from) {  // stories260K is f32
      return Eigen::Map<const Vector<float>>(reinterpret_cast<const float*>(from.data()),
                                             static_cast<int64_t>(from.size() / sizeof(float)));
    };
    const Vector<float> a = numbers(found.replaced.at(name)), b = numbers(bytes);
    EXPECT_LE((a - b).cwiseAbs().maxCoeff(), 1e-3F * b.cwiseAbs().maxCoeff()) << name;
  }
  ASSERT_TRUE(found.outcome.kl_on_own && expected.outcome.kl_on_own);
  EXPECT_NEAR(*found.outcome.kl_on_own, *expected.outcome.kl_on_own, 1e-3 * *expected.outcome.kl_on_own);
  ASSERT_EQ(found.outcome.sites.size(), expected.outcome.sites.size());
  for (size_t i = 0; i < expected.outcome.sites.size(); ++i) {
    EXPECT_EQ(found.outcome.sites[i].tokens, expected.outcome.sites[i].tokens);
    EXPECT_NEAR(found.outcome.sites[i].error_after, expected.outcome.sites[i].error_after,
                1e-3 * expected.outcome.sites[i].error_after)
        << "site " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(NeuronSteps, DeviceSelf, testing::Values(0, 1));

}  // namespace
}  // namespace prunenet
