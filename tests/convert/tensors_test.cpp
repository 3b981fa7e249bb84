// Rows in other orders, values in other types.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "convert/fixtures.h"
#include "model/weights.h"

namespace prunenet {
namespace {

using namespace test;

TEST(RowOrders, AdjacentPairsAndHalfSplitAreInverse) {
  const auto there = adjacent_from_half_split(3, 10, 6), back = half_split_from_adjacent(3, 10, 6);
  for (size_t i = 0; i < there.size(); ++i) EXPECT_EQ(there[static_cast<size_t>(back[i])], static_cast<int64_t>(i));
}

TEST(RowOrders, PairsOfTheRotaryBecomeNeighbours) {
  // A head of 8, all of which turns: number i with number i + 4.
  EXPECT_EQ(adjacent_from_half_split(1, 8, 8), (std::vector<int64_t>{0, 4, 1, 5, 2, 6, 3, 7}));
  // Only the first four turn.
  EXPECT_EQ(adjacent_from_half_split(1, 6, 4), (std::vector<int64_t>{0, 2, 1, 3, 4, 5}));
}

TEST(RowOrders, GroupsOfQueriesKeysAndValuesAreTakenApart) {
  // Two groups of two rows of queries, one of keys, one of values: q q k v q q k v.
  EXPECT_EQ(separated_from_grouped(2, 2, 1), (std::vector<int64_t>{0, 1, 4, 5, 2, 6, 3, 7}));
}

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorSpec& spec = checkpoint.at(name).stored.spec;
  std::vector<float> values(static_cast<size_t>(spec.num_elements()));
  read_matrix<float>(checkpoint, whole_tensor(spec), values);
  return values;
}

TEST(QuantisedConversion, IsWithinHalfAStepOfEveryBlock) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_gguf(data / "golden/llama", folder / "plain.gguf");
  convert_to_gguf(data / "golden/llama", folder / "q8.gguf", Dtype::kQ8_0);
  const Checkpoint plain(folder / "plain.gguf"), quantised(folder / "q8.gguf");
  std::set<Dtype> types;
  for (const auto& entry : plain.tensors()) {
    const std::string& name = entry.stored.spec.name;
    const TensorSpec& spec = quantised.at(name).stored.spec;
    types.insert(spec.dtype);
    const auto before = values_of(plain, name), after = values_of(quantised, name);
    if (spec.shape.size() == 1) {
      EXPECT_EQ(after, before) << name;
      continue;
    }
    ASSERT_EQ(spec.dtype, Dtype::kQ8_0) << name;
    for (size_t block = 0; block < before.size(); block += 32) {
      float largest = 0;
      for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::abs(before[i]));
      // Half a step of largest / 127, and the rounding of the scale to a half (2^-11) on up to 127 steps.
      const float bound = largest / 127 * 0.5f * 1.001f + largest * 0x1p-11f;
      for (size_t i = block; i < block + 32; ++i) ASSERT_LE(std::abs(after[i] - before[i]), bound) << name << " " << i;
    }
  }
  EXPECT_EQ(types, (std::set<Dtype>{Dtype::kF32, Dtype::kQ8_0}));
  EXPECT_EQ(quantised.gguf()->metadata().integer("general.file_type", ""), 7);
}

TEST(QuantisedConversion, SaysWhichRowsAreNoWholeBlocks) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Checkpoint checkpoint(data / "models/stories260K");  // FFN width 172
  ToGgufOptions options;
  options.type = Dtype::kQ8_0;
  const GgufPlan plan = plan_gguf(checkpoint, describe_model(checkpoint), options);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_EQ(plan.warnings.front(), "5 matrices are F16 instead of Q8_0: their rows are no whole blocks of 32");
  for (const ConvertedTensor& tensor : plan.tensors) {
    if (tensor.spec.name.ends_with("ffn_down.weight")) {
      EXPECT_EQ(tensor.spec.dtype, Dtype::kF16);
    }
  }
}

}  // namespace
}  // namespace prunenet
