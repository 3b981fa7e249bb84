// The model in the making: what goes in comes out as it will be stored, for every layout, dtype and bias; and it is
// what slicing writes.
#include "calibrate/changed_model.h"

#include <cmath>
#include <limits>

#include "fixtures.h"
#include "slice/slice.h"

namespace prunenet {
namespace {

using test::OpenedModel;
using test::random_matrix;

// Every third unit goes.
std::vector<int64_t> some_of(int64_t count) {
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < count; ++i) {
    if (i % 3 != 1) kept.push_back(i);
  }
  return kept;
}

// As a number of the checkpoint's type: bf16 keeps 8 bits of a mantissa, f32 all.
Matrix<float> as_stored(const Matrix<float>& values, Dtype dtype) {
  if (dtype == Dtype::kF32) return values;
  EXPECT_EQ(dtype, Dtype::kBf16);
  return values.unaryExpr([](float value) {
    int exponent = 0;
    const double mantissa = std::frexp(static_cast<double>(value), &exponent);
    return static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8));
  });
}

std::vector<float> random_vector(int64_t count, uint32_t seed) {
  const auto values = random_matrix<float>(count, 1, seed);
  return {values.data(), values.data() + count};
}

std::vector<float> as_stored(const std::vector<float>& values, Dtype dtype) {
  const Matrix<float> stored = as_stored(
      Matrix<float>(Eigen::Map<const Matrix<float>>(values.data(), 1, static_cast<int64_t>(values.size()))), dtype);
  return {stored.data(), stored.data() + stored.size()};
}

Matrix<float> matrix_of(const Checkpoint& checkpoint, const MatrixRef& ref) {
  Matrix<float> values(ref.rows, ref.cols);
  read_matrix<float>(checkpoint, ref, {values.data(), static_cast<size_t>(values.size())});
  return values;
}

bool has_bias(const OpenedModel& open, const MatrixRef& ref) {
  const std::string name = ref.tensor.substr(0, ref.tensor.size() - 6) + "bias";
  return open.checkpoint.find(name) != nullptr;
}

// New rows for the kept neurons of a layer, with the biases that it has.
FfnRows random_rows(const OpenedModel& open, int64_t layer, int64_t kept) {
  const FfnDescription& ffn = open.model.layers[static_cast<size_t>(layer)].ffn;
  FfnRows rows;
  rows.up = random_matrix<float>(kept, ffn.up.cols, 5);
  if (has_bias(open, ffn.up)) rows.up_bias = random_vector(kept, 6);
  if (!ffn.gate) return rows;
  rows.gate = random_matrix<float>(kept, ffn.up.cols, 7);
  if (has_bias(open, ffn.up)) rows.gate_bias = random_vector(kept, 8);
  return rows;
}

class ChangedModels : public testing::TestWithParam<std::string> {};

TEST_P(ChangedModels, GiveBackWhatTheyWereGivenAndSlicingWritesIt) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  OpenedModel open(data / "golden" / GetParam());
  ChangedModel changed(open.checkpoint, open.model, open.scratch);
  const int64_t width = open.model.layers[0].ffn.neurons.width;
  const std::vector<int64_t> kept = some_of(width);
  const auto count = static_cast<int64_t>(kept.size());
  const bool cuts_heads = open.model.keys.heads_fixed.empty() && open.model.layers[0].attention.kv_groups.width > 1;
  for (int64_t layer = 0; layer < open.layers(); ++layer) {
    changed.keep_neurons(layer, kept);
    if (cuts_heads) changed.keep_kv_groups(layer, {0});
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      const SiteRef ref = site_ref(open.model, layer, site);
      const auto inputs = static_cast<int64_t>(changed.kept_inputs(layer, site).size());
      const auto bias = random_matrix<double>(ref.weight->rows, 1, 3);
      changed.refit(layer, site, random_matrix<float>(ref.weight->rows, inputs, 1 + static_cast<uint32_t>(layer)),
                    {bias.data(), static_cast<size_t>(bias.size())});
    }
    if (layer == 1) changed.refit_neurons(layer, random_rows(open, layer, count));
  }

  Edits edits;
  edits.mask = changed.mask();
  edits.replaced = changed.replaced();
  const test::TemporaryFolder folder;
  write_slice(open.checkpoint, plan_slice(open.checkpoint, open.model, edits), folder / "cut", {}, open.silent);
  const OpenedModel cut(folder / "cut");

  for (int64_t layer = 0; layer < open.layers(); ++layer) {
    const FfnDescription& after = cut.model.layers[static_cast<size_t>(layer)].ffn;
    const Dtype dtype = open.checkpoint.at(after.up.tensor).stored.spec.dtype;
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      const SiteRef ref = site_ref(open.model, layer, site);
      const auto change = changed.change(layer, site);
      ASSERT_TRUE(change);
      EXPECT_EQ(change->kept, changed.kept_inputs(layer, site));
      const auto inputs = static_cast<int64_t>(change->kept.size());
      EXPECT_EQ(change->weight,
                as_stored(random_matrix<float>(ref.weight->rows, inputs, 1 + static_cast<uint32_t>(layer)), dtype));
      EXPECT_EQ(change->weight, site_weight(cut.checkpoint, cut.model, layer, site)) << "what was written";
      const auto written_bias = site_bias(cut.checkpoint, cut.model, layer, site);
      EXPECT_EQ(change->bias.empty(), !ref.bias->has_value());
      EXPECT_EQ(written_bias.has_value(), ref.bias->has_value());
      if (written_bias) {
        EXPECT_EQ(change->bias, std::vector<float>(written_bias->begin(), written_bias->end()));
      }
      EXPECT_EQ(change->rows.has_value(), site == Site::kFfn && layer == 1);
      if (!change->rows) continue;
      const FfnRows expected = random_rows(open, layer, count);
      EXPECT_EQ(change->rows->up, as_stored(expected.up, dtype));
      EXPECT_EQ(change->rows->up, matrix_of(cut.checkpoint, after.up)) << "what was written";
      EXPECT_EQ(change->rows->up_bias, as_stored(expected.up_bias, dtype));
      EXPECT_EQ(change->rows->gate.rows(), after.gate ? count : 0);
      if (!after.gate) continue;
      EXPECT_EQ(change->rows->gate, as_stored(expected.gate, dtype));
      EXPECT_EQ(change->rows->gate, matrix_of(cut.checkpoint, *after.gate)) << "what was written";
      EXPECT_EQ(change->rows->gate_bias, as_stored(expected.gate_bias, dtype));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, ChangedModels, testing::ValuesIn(test::kGoldenFamilies));

class ChangedModelTest : public testing::Test {
 protected:
  ChangedModelTest() {
    made.write(folder / "model");
    open.emplace(folder / "model");
    changed.emplace(open->checkpoint, open->model, open->scratch);
  }
  const test::TemporaryFolder folder;
  test::TinyModel made = test::tiny_model(1, {.hidden = 8, .width = 12, .layers = 3});
  std::optional<OpenedModel> open;
  std::optional<ChangedModel> changed;
};

TEST_F(ChangedModelTest, UntouchedSitesAreNoChanges) {
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_FALSE(changed->change(layer, Site::kFfn));
    EXPECT_FALSE(changed->change(layer, Site::kAttention));
  }
  EXPECT_EQ(changed->kept_inputs(0, Site::kFfn).size(), 12U);
  EXPECT_EQ(changed->kept_inputs(0, Site::kAttention).size(), 8U);
  EXPECT_TRUE(changed->replaced().empty());
  EXPECT_TRUE(changed->mask().kept_kv_groups.empty());
}

TEST_F(ChangedModelTest, APlainCutHasTheColumnsThatStay) {
  changed->keep_neurons(1, {0, 5, 11});
  changed->keep_kv_groups(2, {1});
  const auto ffn = changed->change(1, Site::kFfn), attention = changed->change(2, Site::kAttention);
  ASSERT_TRUE(ffn && attention);
  EXPECT_EQ(ffn->weight,
            site_weight(open->checkpoint, open->model, 1, Site::kFfn)(Eigen::all, std::vector<int64_t>{0, 5, 11}));
  EXPECT_EQ(attention->kept, (std::vector<int64_t>{4, 5, 6, 7}));
  EXPECT_FALSE(changed->change(1, Site::kAttention)) << "all of its groups stay";
  EXPECT_EQ(changed->mask().kept_kv_groups[1], (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(changed->replaced().empty());
}

TEST_F(ChangedModelTest, DroppedLayersAreSortedAndHaveNoChange) {
  changed->keep_neurons(2, {1});
  changed->drop_layer(2);
  changed->drop_layer(0);
  EXPECT_EQ(changed->mask().dropped_layers, (std::vector<int64_t>{0, 2}));
  EXPECT_FALSE(changed->change(2, Site::kFfn));
}

TEST_F(ChangedModelTest, ALaterRefitTakesThePlaceOfAnEarlierOne) {
  changed->keep_neurons(0, {0, 1, 2});
  changed->refit(0, Site::kFfn, random_matrix<float>(8, 3, 1), {});
  const auto first = changed->change(0, Site::kFfn)->weight;
  changed->refit(0, Site::kFfn, random_matrix<float>(8, 3, 2), {});
  EXPECT_EQ(changed->change(0, Site::kFfn)->weight, (random_matrix<float>(8, 3, 2)));
  EXPECT_NE(first, (random_matrix<float>(8, 3, 2)));
}

TEST_F(ChangedModelTest, WhatCannotBeStoredNamesTheTensor) {
  Matrix<float> weight = random_matrix<float>(8, 12, 1);
  weight(3, 4) = std::numeric_limits<float>::infinity();
  test::expect_error(ErrorCode::kNonFinite, {test::tiny_ffn_tensor(1, "down")},
                     [&] { changed->refit(1, Site::kFfn, weight, {}); });
  FfnRows rows;
  rows.up = random_matrix<float>(12, 8, 2);
  rows.gate = rows.up;
  rows.gate(0, 0) = std::nanf("");
  test::expect_error(ErrorCode::kNonFinite, {test::tiny_ffn_tensor(0, "gate")},
                     [&] { changed->refit_neurons(0, rows); });
}

TEST_F(ChangedModelTest, SpoiltWeightsNameTheTensor) {
  made.set(test::tiny_ffn_tensor(2, "down"), 7, std::nanf(""));
  made.write(folder / "spoilt");
  OpenedModel spoilt(folder / "spoilt");
  test::expect_error(ErrorCode::kNonFinite, {test::tiny_ffn_tensor(2, "down")},
                     [&] { site_weight(spoilt.checkpoint, spoilt.model, 2, Site::kFfn); });
}

}  // namespace
}  // namespace prunenet
