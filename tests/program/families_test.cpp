// Every supported family, on its golden model: what may be cut is, everything else keeps its bytes. Which tensors may
// be cut is written down here by name, apart from the descriptions that the program uses.
#include <algorithm>
#include <cmath>
#include <set>

#include "program/checkpoints.h"
#include "program/run.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct CutTensor {
  std::string suffix;  // after the layer's prefix
  size_t axis;
  int64_t blocks = 1;  // stacked matrices in one tensor
};

struct Golden {
  std::string folder;
  std::string prefix;  // of a layer, before its number
  std::vector<CutTensor> cut;
  std::string width_key;
  int64_t width;
  bool tied = false;
};

void PrintTo(const Golden& golden, std::ostream* stream) {
  *stream << golden.folder;
}

const std::vector<CutTensor> kGated{
    {"mlp.gate_proj.weight", 0}, {"mlp.up_proj.weight", 0}, {"mlp.down_proj.weight", 1}};
const std::vector<CutTensor> kNeox{
    {"mlp.dense_h_to_4h.weight", 0}, {"mlp.dense_h_to_4h.bias", 0}, {"mlp.dense_4h_to_h.weight", 1}};

const std::vector<Golden> kGoldens{
    {"llama", "model.layers.", kGated, "intermediate_size", 192},
    {"llama_sharded", "model.layers.", kGated, "intermediate_size", 192},
    {"llama_bf16", "model.layers.", kGated, "intermediate_size", 192},
    {"mistral", "model.layers.", kGated, "intermediate_size", 224},
    {"qwen2", "model.layers.", kGated, "intermediate_size", 192},
    {"gemma", "model.layers.", kGated, "intermediate_size", 256, true},
    {"phi3",
     "model.layers.",
     {{"mlp.gate_up_proj.weight", 0, 2}, {"mlp.down_proj.weight", 1}},
     "intermediate_size",
     192},
    {"phi",
     "model.layers.",
     {{"mlp.fc1.weight", 0}, {"mlp.fc1.bias", 0}, {"mlp.fc2.weight", 1}},
     "intermediate_size",
     256},
    {"opt", "model.decoder.layers.", {{"fc1.weight", 0}, {"fc1.bias", 0}, {"fc2.weight", 1}}, "ffn_dim", 256, true},
    {"falcon7b_mqa",
     "transformer.h.",
     {{"mlp.dense_h_to_4h.weight", 0}, {"mlp.dense_4h_to_h.weight", 1}},
     "ffn_hidden_size",
     256,
     true},
    {"falcon_rw_alibi", "transformer.h.", kNeox, "ffn_hidden_size", 256, true},
    {"gpt_neox", "gpt_neox.layers.", kNeox, "intermediate_size", 256},
    {"gpt2",
     "transformer.h.",
     {{"mlp.c_fc.weight", 1}, {"mlp.c_fc.bias", 0}, {"mlp.c_proj.weight", 0}},
     "n_inner",
     256,
     true},
};

class Family : public ::testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    PRUNENET_REQUIRE_SHARED_DATA(data);
    model_ = data / "golden" / GetParam().folder;
  }

  // The tensors that must come out when these rows stay.
  std::map<std::string, TensorValue> expected_tensors(const Rows& rows) const {
    auto tensors = tensors_of(model_);
    for (size_t layer = 0; layer < rows.size(); ++layer) {
      for (const CutTensor& cut : GetParam().cut) {
        const std::string name = GetParam().prefix + std::to_string(layer) + "." + cut.suffix;
        std::vector<int64_t> indices;
        for (int64_t block = 0; block < cut.blocks; ++block) {
          for (int64_t row : rows[layer]) indices.push_back(block * GetParam().width + row);
        }
        EXPECT_TRUE(tensors.contains(name)) << name;
        if (tensors.contains(name)) tensors[name] = keep_indices(tensors[name], cut.axis, indices);
      }
    }
    return tensors;
  }

  // The config with the one value replaced in its text.
  std::string expected_config(int64_t width) const {
    std::string text = read_bytes(model_ / "config.json");
    const std::string key = "\"" + GetParam().width_key + "\": ";
    const size_t begin = text.find(key) + key.size(), end = text.find_first_of(",\n", begin);
    return text.replace(begin, end - begin, std::to_string(width));
  }

  fs::path out(const std::string& name = "out") const { return folder_ / name; }
  fs::path model_;
  TemporaryFolder folder_;
};

TEST_P(Family, AQuarterIsCutFromTheFfnAndFromNothingElse) {
  const Json printed = prunenet_json({"prune", model_, "-o", out(), "--ratio", "0.25", "--method", "prunenet"});
  const Rows rows = kept_rows_of(out());
  ASSERT_EQ(rows.size(), 3u);
  const auto width = static_cast<int64_t>(rows[0].size());
  // To the nearest multiple of 32: 192 exactly, 144 to 160 (a tie keeps more), 168 to 160.
  const std::map<int64_t, int64_t> three_quarters{{256, 192}, {192, 160}, {224, 160}};
  EXPECT_EQ(width, three_quarters.at(GetParam().width));
  expect_same_tensors(expected_tensors(rows), tensors_of(out()));
  EXPECT_EQ(read_bytes(out() / "config.json"), expected_config(width));

  const Json again = prunenet_json({"inspect", out()});
  EXPECT_EQ(again["ffn_widths"], Json(std::vector<int64_t>(3, width)));
  EXPECT_EQ(again["params"], printed["params_after"]);
  EXPECT_EQ(again["bytes"], printed["bytes_after"]);
  EXPECT_EQ(again["flops_per_token"], printed["flops_per_token_after"]);
  EXPECT_EQ(again["tied_head"], GetParam().tied);
  EXPECT_TRUE(again["width_matches_config"]);
}

TEST_P(Family, WidthMultipleOneKeepsTheFloor) {
  for (const double ratio : {0.25, 0.3}) {
    const std::string text = ratio == 0.25 ? "0.25" : "0.3";
    prunenet_json({"prune", model_, "-o", out(text), "--ratio", text, "--width-multiple", "1", "--method", "random"});
    const Rows rows = kept_rows_of(out(text));
    for (const auto& layer : rows) {
      EXPECT_EQ(layer.size(), std::floor((1 - ratio) * static_cast<double>(GetParam().width)));
    }
    expect_same_tensors(expected_tensors(rows), tensors_of(out(text)));
  }
}

TEST_P(Family, RatioZeroKeepsEveryByte) {
  prunenet_json({"prune", model_, "-o", out(), "--ratio", "0", "--method", "random"});
  expect_same_tensors(tensors_of(model_), tensors_of(out()));
  EXPECT_EQ(read_bytes(out() / "config.json"), read_bytes(model_ / "config.json"));
}

INSTANTIATE_TEST_SUITE_P(Golden, Family, ::testing::ValuesIn(kGoldens),
                         [](const auto& golden) { return golden.param.folder; });

TEST(Families, EveryGoldenModelIsInTheTableAbove) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  std::set<std::string> known, found;
  for (const Golden& golden : kGoldens) known.insert(golden.folder);
  for (const auto& entry : fs::directory_iterator(data / "golden")) {
    if (entry.is_directory()) found.insert(entry.path().filename());
  }
  EXPECT_EQ(known, found);
}

class GoldenMask : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenMask, GivesTheRecordedCheckpoint) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path golden = data / "golden" / GetParam(), dense = golden.parent_path();
  const Json recorded = Json::parse(read_bytes(golden / "golden.json"));
  const Rows rows = recorded.at("keep_rows").get<Rows>();
  write_bytes(folder / "mask.json", mask_text(rows));
  const RunResult result =
      run_prunenet({"prune", dense, "-o", folder / "out", "--mask", folder / "mask.json", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  expect_same_tensors(tensors_of(golden), tensors_of(folder / "out"));

  const Json expected = Json::parse(read_bytes(golden / "config.json"));
  EXPECT_EQ(Json::parse(read_bytes(folder / "out" / "config.json")), expected);
  const bool uniform = golden.filename() == "pruned";
  EXPECT_EQ(Json::parse(result.out)["loads_in_stock_programs"], uniform);
  EXPECT_EQ(result.err.find("stock programs will not load") == std::string::npos, uniform) << result.err;
  std::vector<size_t> widths;
  for (const auto& layer : rows) widths.push_back(layer.size());
  const Json inspected = prunenet_json({"inspect", folder / "out"});
  EXPECT_EQ(inspected["ffn_widths"], Json(widths));
  EXPECT_EQ(inspected["width_matches_config"], uniform);
}

INSTANTIATE_TEST_SUITE_P(Recorded, GoldenMask,
                         ::testing::Values("llama/pruned", "opt/pruned", "llama/pruned_perlayer",
                                           "opt/pruned_perlayer"),
                         [](const auto& golden) {
                           std::string name = golden.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace prunenet::test
