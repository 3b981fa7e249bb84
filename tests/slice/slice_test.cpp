// Cutting, as a library: the goldens' own pruned checkpoints bit for bit, every layout against the plain formula, and
// nothing half-written.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "slice/slice.h"
#include "support/support.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

std::string bytes_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto bytes = checkpoint.bytes(checkpoint.at(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void cut(const fs::path& source, const Mask& mask, const fs::path& target, SliceOptions options = {}) {
  const Checkpoint checkpoint(source);
  const ModelDescription model = describe_model(checkpoint);
  SilentProgress progress;
  write_slice(checkpoint, plan_slice(checkpoint, model, mask), target, options, progress);
}

TEST(Slice, GoldensWithKeptRowsComeOutBitForBit) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const std::string name : {"llama/pruned", "llama/pruned_perlayer", "opt/pruned", "opt/pruned_perlayer"}) {
    SCOPED_TRACE(name);
    const fs::path golden = data / "golden" / name;
    const json keep = json::parse(test::read_bytes(golden / "golden.json"))["keep_rows"];
    const Mask mask{keep.get<std::vector<std::vector<int64_t>>>()};
    const test::TemporaryFolder folder;
    cut(golden.parent_path(), mask, folder / "out");
    const Checkpoint ours(folder / "out"), theirs(golden);
    ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
    for (const auto& entry : theirs.tensors()) {
      const TensorSpec& spec = entry.stored.spec;
      const TensorSpec& mine = ours.at(spec.name).stored.spec;
      EXPECT_EQ(mine.shape, spec.shape) << spec.name;
      EXPECT_EQ(mine.dtype, spec.dtype) << spec.name;
      EXPECT_EQ(bytes_of(ours, spec.name), bytes_of(theirs, spec.name)) << spec.name;
    }
    const char* key = name.starts_with("opt") ? "ffn_dim" : "intermediate_size";
    EXPECT_EQ(json::parse(ours.config_text())[key], json::parse(theirs.config_text())[key]);
  }
}

// The plain formula: element by element, with indices.
std::string cut_plainly(const std::string& bytes, const TensorSpec& spec, int axis, const std::vector<int64_t>& kept) {
  const size_t element = dtype_size_bytes(spec.dtype);
  const int64_t cols = spec.shape.size() == 2 ? spec.shape[1] : 1;
  std::string result;
  for (int64_t i = 0; i < spec.shape[0]; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      const int64_t along = axis == 0 ? i : j;
      if (std::find(kept.begin(), kept.end(), along) == kept.end()) continue;
      result += bytes.substr(static_cast<size_t>(i * cols + j) * element, element);
    }
  }
  return result;
}

TEST(Slice, EveryFamilyEqualsThePlainFormula) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const auto& entry : fs::directory_iterator(data / "golden")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Checkpoint source(entry.path());
    const ModelDescription model = describe_model(source);
    Mask mask;
    for (size_t l = 0; l < model.layers.size(); ++l) {  // every third neuron goes, from another start in each layer
      mask.kept.emplace_back();
      for (int64_t i = 0; i < model.layers[l].ffn.neurons.width; ++i) {
        if (i % 3 != static_cast<int64_t>(l)) mask.kept.back().push_back(i);
      }
    }
    const test::TemporaryFolder folder;
    cut(entry.path(), mask, folder / "out");
    const Checkpoint result(folder / "out");
    std::map<std::string, std::pair<int, std::vector<int64_t>>> cuts;
    for (size_t l = 0; l < model.layers.size(); ++l) {
      const CoupledGroup& group = model.layers[l].ffn.neurons;
      for (const CoupledMember& member : group.members) {
        auto& [axis, kept] = cuts[member.tensor];
        axis = member.axis;
        for (size_t block = 0; block < member.runs.size(); ++block) {  // gate and up may be stacked
          for (int64_t i : mask.kept[l]) kept.push_back(static_cast<int64_t>(block) * group.width + i);
        }
      }
    }
    ASSERT_EQ(result.tensors().size(), source.tensors().size());
    for (const auto& tensor : source.tensors()) {
      const TensorSpec& spec = tensor.stored.spec;
      const std::string before = bytes_of(source, spec.name);
      const auto found = cuts.find(spec.name);
      const std::string expected = found == cuts.end() ? before : cut_plainly(before, spec, found->second.first, found->second.second);
      EXPECT_EQ(bytes_of(result, spec.name), expected) << spec.name;
    }
    const ModelDescription after = describe_model(result);
    EXPECT_EQ(after.ffn_widths(), mask.kept_widths());
  }
}

// A llama of one layer, hidden 4, F 6, in any of the computable types.
void write_tiny_llama(const fs::path& folder, Dtype dtype) {
  fs::create_directories(folder);
  test::write_bytes(folder / "config.json",
                    R"({"model_type":"llama","hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":6,"vocab_size":3})");
  std::vector<test::TestTensor> tensors;
  unsigned char next = 1;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    TensorSpec spec{name, dtype, std::move(shape)};
    std::string bytes(spec.size_bytes(), '\0');
    for (char& byte : bytes) byte = static_cast<char>(next++ & 0x3f);  // small exponents: no NaN in any type
    tensors.push_back({std::move(spec), std::move(bytes)});
  };
  add("model.embed_tokens.weight", {3, 4});
  add("model.layers.0.mlp.gate_proj.weight", {6, 4});
  add("model.layers.0.mlp.up_proj.weight", {6, 4});
  add("model.layers.0.mlp.down_proj.weight", {4, 6});
  test::write_bytes(folder / "model.safetensors", test::safetensors_bytes(tensors));
}

TEST(Slice, EveryComputableDtypeKeepsItsBits) {
  for (Dtype dtype : {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBf16}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    const test::TemporaryFolder folder;
    write_tiny_llama(folder / "in", dtype);
    cut(folder / "in", Mask{{{0, 3, 4}}}, folder / "out");
    const Checkpoint source(folder / "in"), result(folder / "out");
    for (const auto& entry : source.tensors()) {
      const TensorSpec& spec = entry.stored.spec;
      const bool is_ffn = spec.name.find(".mlp.") != std::string::npos;
      const int axis = spec.name.find("down") != std::string::npos ? 1 : 0;
      const std::string before = bytes_of(source, spec.name);
      EXPECT_EQ(result.at(spec.name).stored.spec.dtype, dtype);
      EXPECT_EQ(bytes_of(result, spec.name), is_ffn ? cut_plainly(before, spec, axis, {0, 3, 4}) : before) << spec.name;
    }
  }
}

TEST(Slice, LongRowsAndLongRunsThroughTheBuffer) {
  // Rows of 1.2 MB and a down matrix of more than a buffer's size: every path of the stream.
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "in");
  const int64_t hidden = 300'000, width = 12;
  test::write_bytes(folder / "in" / "config.json",
                    R"({"model_type":"llama","hidden_size":300000,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"vocab_size":3})");
  std::vector<float> values(static_cast<size_t>(hidden * width));
  std::iota(values.begin(), values.end(), 0.0f);
  const std::string layer = "model.layers.0.mlp.";
  test::write_bytes(folder / "in" / "model.safetensors",
                    test::safetensors_bytes({test::f32_tensor(layer + "gate_proj.weight", {width, hidden}, values),
                                             test::f32_tensor(layer + "up_proj.weight", {width, hidden}, values),
                                             test::f32_tensor(layer + "down_proj.weight", {hidden, width}, values)}));
  const std::vector<int64_t> kept{0, 1, 2, 5, 7, 8, 11};
  cut(folder / "in", Mask{{kept}}, folder / "out");
  const Checkpoint source(folder / "in"), result(folder / "out");
  for (const auto& entry : source.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    const int axis = spec.name.find("down") != std::string::npos ? 1 : 0;
    EXPECT_TRUE(bytes_of(result, spec.name) == cut_plainly(bytes_of(source, spec.name), spec, axis, kept)) << spec.name;
  }
}

TEST(Slice, NanInAnUncutTensorIsNamedAndNothingIsLeft) {
  const test::TemporaryFolder folder;
  write_tiny_llama(folder / "in", Dtype::kF32);
  std::string bytes = test::read_bytes(folder / "in" / "model.safetensors");
  const Checkpoint before(folder / "in");
  const float nan = std::nanf("");
  std::memcpy(bytes.data() + before.at("model.embed_tokens.weight").stored.offset + 8, &nan, 4);
  test::write_bytes(folder / "in" / "model.safetensors", bytes);
  const auto contents = test::folder_contents(folder.path());
  test::expect_error(ErrorCode::kNonFinite, {"model.embed_tokens.weight", "NaN"}, [&] { cut(folder / "in", Mask{{{0}}}, folder / "out"); });
  EXPECT_EQ(test::folder_contents(folder.path()), contents);
}

TEST(Slice, AMaskOfAnotherModelIsRefused) {
  const test::TemporaryFolder folder;
  write_tiny_llama(folder / "in", Dtype::kF32);
  const Checkpoint checkpoint(folder / "in");
  const ModelDescription model = describe_model(checkpoint);
  test::expect_error(ErrorCode::kMismatch, {"2 layers"}, [&] { plan_slice(checkpoint, model, Mask{{{0}, {0}}}); });
  test::expect_error(ErrorCode::kMismatch, {"row 6"}, [&] { plan_slice(checkpoint, model, Mask{{{0, 6}}}); });
}

}  // namespace
}  // namespace prunenet
