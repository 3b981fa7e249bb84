// The coupled groups of a GGUF file are those of the folder: unit by unit they own the same numbers, wherever its
// converter put them. Tied to no order: every number of the goldens is its own mark.
#include <algorithm>

#include "gguf_model.h"
#include "golden_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// What a unit owns of a tensor, sorted.
std::vector<float> owned_values(const Checkpoint& checkpoint, const CoupledMember& member, int64_t unit) {
  const auto& entry = checkpoint.at(member.tensor);
  const auto& shape = entry.stored.spec.shape;
  std::vector<float> all(static_cast<size_t>(entry.stored.spec.num_elements())), owned;
  widen(checkpoint.bytes(entry).data(), entry.stored.spec.dtype, all.size(), all.data());
  const int64_t cols = shape.size() == 2 ? shape[1] : 1;
  for (const int64_t index : owned_indices(member, {unit})) {
    if (member.axis == 0) {
      owned.insert(owned.end(), all.begin() + index * cols, all.begin() + (index + 1) * cols);
    } else {
      for (int64_t row = 0; row < shape[0]; ++row) owned.push_back(all[static_cast<size_t>(row * cols + index)]);
    }
  }
  std::sort(owned.begin(), owned.end());
  return owned;
}

void expect_same_units(const Checkpoint& folder, const CoupledGroup& expected, const Checkpoint& gguf,
                       const CoupledGroup& group) {
  ASSERT_EQ(group.width, expected.width);
  ASSERT_EQ(group.members.size(), expected.members.size());
  ASSERT_FALSE(group.members.empty());
  for (size_t m = 0; m < group.members.size(); ++m) {
    for (int64_t unit = 0; unit < group.width; ++unit) {
      EXPECT_EQ(owned_values(gguf, group.members[m], unit), owned_values(folder, expected.members[m], unit))
          << group.members[m].tensor << ", unit " << unit;
    }
  }
}

TEST(GgufGroups, OwnWhatThoseOfTheFolderOwn) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name :
       {"llama", "qwen2", "gemma", "phi", "phi3", "gpt_neox", "gpt2", "falcon7b_mqa", "llama/pruned_perlayer"}) {
    SCOPED_TRACE(name);
    const TemporaryFolder temporary;
    gguf_of(data / "golden" / name).write(temporary / "model.gguf");
    const Checkpoint folder(data / "golden" / name), gguf(temporary / "model.gguf");
    const ModelDescription expected = describe_model(folder), model = describe_model(gguf);
    ASSERT_EQ(model.layers.size(), expected.layers.size());
    for (size_t layer = 0; layer < model.layers.size(); ++layer) {
      EXPECT_EQ(model.sizes(layer), expected.sizes(layer));
      expect_same_units(folder, expected.layers[layer].ffn.neurons, gguf, model.layers[layer].ffn.neurons);
      expect_same_units(folder, expected.layers[layer].attention.kv_groups, gguf,
                        model.layers[layer].attention.kv_groups);
    }
    EXPECT_TRUE(model.width_is_uniform());  // GGUF states every layer
    EXPECT_TRUE(model.heads_match_config());
    EXPECT_EQ(model.tied_head, expected.tied_head);
    EXPECT_EQ(model.vocab, expected.vocab);
    EXPECT_EQ(model.max_context, expected.max_context);
    EXPECT_EQ(model.bos, expected.bos);
    EXPECT_EQ(model.eos, expected.eos);
  }
}

}  // namespace
