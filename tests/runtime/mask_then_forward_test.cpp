// Cutting neurons out of the files is the same as silencing them in the whole model, for every family.
#include <ATen/core/grad_mode.h>

#include "base/progress.h"
#include "golden_model.h"
#include "model/mask.h"
#include "slice/slice.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// The weights of a checkpoint with rows and columns of removed neurons set to zero.
class SilencedWeights final : public WeightSource {
 public:
  SilencedWeights(const Checkpoint& checkpoint, const ModelDescription& model, const Mask& mask)
      : weights_(checkpoint, at::kCPU), model_(model), mask_(mask) {}

  at::Tensor get(const std::string& name, at::ScalarType type) override {
    at::Tensor tensor = weights_.get(name, type).clone();
    for (size_t layer = 0; layer < model_.layers.size(); ++layer) {
      const CoupledGroup& group = model_.layers[layer].ffn.neurons;
      for (const CoupledMember& member : group.members) {
        if (member.tensor == name) silence(tensor, member, mask_.kept[layer]);
      }
    }
    return tensor;
  }
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override { return weights_.rows(name, ids); }
  void release(const std::string&) override {}

 private:
  static void silence(at::Tensor& tensor, const CoupledMember& member, const std::vector<int64_t>& kept) {
    at::Tensor factor = at::zeros({tensor.size(member.axis)});
    for (int64_t index : owned_indices(member, kept)) factor[index] = 1;
    std::vector<int64_t> shape(static_cast<size_t>(tensor.dim()), 1);
    shape[static_cast<size_t>(member.axis)] = factor.numel();
    tensor.mul_(factor.view(shape));
  }

  CheckpointWeights weights_;
  const ModelDescription& model_;
  const Mask& mask_;
};

class SliceThenForward : public testing::TestWithParam<std::string> {};

TEST_P(SliceThenForward, EqualsMaskThenForward) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder);
  Mask mask;
  for (size_t layer = 0; layer < whole.model.layers.size(); ++layer) {
    std::vector<int64_t> kept;  // another number of neurons in every layer
    for (int64_t i = 0; i < whole.model.layers[layer].ffn.neurons.width; ++i) {
      if ((i * 7 + static_cast<int64_t>(layer)) % (4 + static_cast<int64_t>(layer)) != 0) kept.push_back(i);
    }
    mask.kept.push_back(kept);
  }
  const TemporaryFolder temporary;
  SilentProgress silent;
  write_slice(whole.checkpoint, plan_slice(whole.checkpoint, whole.model, mask), temporary / "cut", {}, silent);
  RunningModel cut(temporary / "cut");

  const Golden golden = read_golden(folder);
  const std::vector<std::vector<TokenId>> sequences{golden.ids};
  const TransformerDescription description = describe_transformer(whole.checkpoint, whole.model);
  SilencedWeights silenced(whole.checkpoint, whole.model, mask);
  Transformer transformer(description, silenced, at::kCPU, {});
  const at::NoGradGuard no_grad;
  Chunk chunk{at::tensor(golden.ids, at::kInt).to(at::kLong), {{1, static_cast<int64_t>(golden.ids.size()), nullptr}}};
  const at::Tensor expected = transformer.logits(transformer.hidden({chunk}).front()).contiguous();
  const std::span<const float> values(expected.data_ptr<float>(), static_cast<size_t>(expected.numel()));
  EXPECT_LE(largest_difference(cut.engine.logits(sequences).values, values), 1e-5);
  EXPECT_GT(largest_difference(whole.engine.logits(sequences).values, values), 1e-3);  // the mask does something
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, SliceThenForward, testing::ValuesIn(kGoldenModels));

}  // namespace
