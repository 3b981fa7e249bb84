// The model in the making: what goes in comes out as it will be stored, for every layout, dtype and bias; and it is
// what slicing writes.
#include "calibrate/changed_model.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "fixtures.h"
#include "slice/slice.h"
#include "slice/tiny_gguf.h"

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
  ChangedModel changed(open.checkpoint, open.model, open.new_store());
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
    changed.emplace(open->checkpoint, open->model, open->new_store());
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

// Of GGUF files: what calibration sees is what is written, whatever the type.
class ChangedGguf : public testing::TestWithParam<Dtype> {
 protected:
  ChangedGguf() {
    test::tiny_gguf(GetParam()).write(folder / "in.gguf");
    open.emplace(folder / "in.gguf");
    changed.emplace(open->checkpoint, open->model, open->new_store());
  }
  // The cut file, opened.
  void write() {
    Edits edits;
    edits.mask = changed->mask();
    edits.replaced = changed->replaced();
    write_slice(open->checkpoint, plan_slice(open->checkpoint, open->model, edits), folder / "out.gguf", {},
                open->silent);
    cut.emplace(folder / "out.gguf");
  }
  void expect_written(int64_t layer, Site site) {
    const auto change = changed->change(layer, site);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->weight, site_weight(cut->checkpoint, cut->model, layer, site)) << layer << site_name(site);
    if (!change->rows) return;
    const FfnDescription& ffn = cut->model.layers[static_cast<size_t>(layer)].ffn;
    EXPECT_EQ(change->rows->up, matrix_of(cut->checkpoint, ffn.up));
    EXPECT_EQ(change->rows->gate, matrix_of(cut->checkpoint, *ffn.gate));
  }

  const test::TemporaryFolder folder;
  std::optional<OpenedModel> open, cut;
  std::optional<ChangedModel> changed;
};

TEST_P(ChangedGguf, ShowsPlainCutsAsTheyWillBeStored) {
  std::vector<int64_t> block(256);
  std::iota(block.begin(), block.end(), 256);
  changed->keep_neurons(0, some_of(768));                   // 512: Q8_0, where blocks do not stay
  changed->keep_neurons(1, std::vector<int64_t>{3, 5, 9});  // half precision
  changed->keep_neurons(2, block);
  for (int64_t layer = 0; layer < 3; ++layer) changed->keep_kv_groups(layer, {1});
  write();
  for (int64_t layer = 0; layer < 3; ++layer) {
    for (const Site site : {Site::kAttention, Site::kFfn}) expect_written(layer, site);
  }
  const Matrix<float> whole = site_weight(open->checkpoint, open->model, 0, Site::kFfn);
  const bool rounded = changed->change(0, Site::kFfn)->weight != whole(Eigen::all, some_of(768));
  EXPECT_EQ(rounded, dtype_is_quantised(GetParam()));
  EXPECT_EQ(changed->change(2, Site::kFfn)->weight,
            site_weight(open->checkpoint, open->model, 2, Site::kFfn)(Eigen::all, block));
}

TEST_P(ChangedGguf, ShowsNewValuesAsTheyWillBeStored) {
  for (int64_t layer = 0; layer < 3; ++layer) {
    const int64_t count = layer == 0 ? 512 : 100;
    std::vector<int64_t> kept(static_cast<size_t>(count));
    std::iota(kept.begin(), kept.end(), 7);
    changed->keep_neurons(layer, kept);
    changed->refit(layer, Site::kAttention, random_matrix<float>(256, 256, 1), {});
    changed->refit(layer, Site::kFfn, random_matrix<float>(256, count, 2), {});
    FfnRows rows;
    rows.up = random_matrix<float>(count, 256, 3);
    rows.gate = random_matrix<float>(count, 256, 4);
    if (layer != 1) changed->refit_neurons(layer, rows);
  }
  write();
  for (int64_t layer = 0; layer < 3; ++layer) {
    for (const Site site : {Site::kAttention, Site::kFfn}) expect_written(layer, site);
    EXPECT_EQ(changed->change(layer, Site::kFfn)->rows.has_value(), layer != 1);
  }
}

TEST_P(ChangedGguf, SizesThatAreCountedBeforehandAreThoseThatAreWritten) {
  ShrinkPlan plan;
  plan.widths = {512, 700, 768};
  plan.kv_groups = {1, 2, 2};
  const Mask counted = mask_of_sizes(open->model, plan);
  EXPECT_EQ(counted.kept_widths(), plan.widths);
  changed->keep_neurons(0, some_of(768));
  std::vector<int64_t> kept(700);
  std::iota(kept.begin(), kept.end(), 1);
  changed->keep_neurons(1, kept);
  changed->keep_kv_groups(0, {1});
  write();
  const std::vector<TensorSpec> planned = plan_slice(open->checkpoint, open->model, counted).tensors;
  for (const TensorSpec& spec : planned)
    EXPECT_EQ(to_string(spec), to_string(cut->checkpoint.at(spec.name).stored.spec)) << spec.name;
}

INSTANTIATE_TEST_SUITE_P(AllDtypes, ChangedGguf, testing::ValuesIn(test::kGgufDtypes),
                         [](const auto& typed) { return std::string(dtype_name(typed.param)); });

TEST_F(ChangedModelTest, SpoiltWeightsNameTheTensor) {
  made.set(test::tiny_ffn_tensor(2, "down"), 7, std::nanf(""));
  made.write(folder / "spoilt");
  OpenedModel spoilt(folder / "spoilt");
  test::expect_error(ErrorCode::kNonFinite, {test::tiny_ffn_tensor(2, "down")},
                     [&] { site_weight(spoilt.checkpoint, spoilt.model, 2, Site::kFfn); });
}

}  // namespace
}  // namespace prunenet
