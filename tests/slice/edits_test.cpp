// Plans for neurons, heads, layers, padding, new values and the DeciLM layout: names, shapes, bytes, config, refusals.
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "model/deci.h"
#include "model/encode.h"
#include "model/weights.h"
#include "slice/slice.h"
#include "support/tiny_model.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

std::vector<int64_t> first(int64_t count) {
  std::vector<int64_t> indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

std::vector<float> floats_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto bytes = checkpoint.bytes(checkpoint.at(name));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& entry : checkpoint.tensors()) names.push_back(entry.stored.spec.name);
  return names;
}

// A tiny LLaMA of three layers, hidden 8, F 12, two heads of size 4, with more said in its config.
class SliceEdits : public testing::Test {
 protected:
  explicit SliceEdits(int64_t width = 12) : made(test::tiny_model(3, {.hidden = 8, .width = width, .layers = 3})) {}

  // Opens what `made` is by now.
  void open() {
    made.write(folder / "in");
    checkpoint.emplace(folder / "in");
    model = describe_model(*checkpoint);
  }
  SlicePlan plan(const Edits& edits) const { return plan_slice(*checkpoint, model, edits); }
  Checkpoint write(const Edits& edits, const std::string& name = "out", SliceOptions options = {}) const {
    SilentProgress progress;
    write_slice(*checkpoint, plan(edits), folder / name, options, progress);
    return Checkpoint(folder / name);
  }
  void refused(const Edits& edits, ErrorCode code, const std::vector<std::string>& fragments) const {
    test::expect_error(code, fragments, [&] { plan(edits); });
  }

  const test::TemporaryFolder folder;
  test::TinyModel made;
  std::optional<Checkpoint> checkpoint;
  ModelDescription model;
};

TEST_F(SliceEdits, NothingToDoKeepsEveryByte) {
  open();
  write({});
  for (const char* name : {"config.json", "model.safetensors"})
    EXPECT_EQ(test::read_bytes(folder / "out" / name), test::read_bytes(folder / "in" / name)) << name;
}

TEST_F(SliceEdits, DroppedLayersLeaveNoGapInNamesAndLists) {
  made.config["layer_types"] = {"full_attention", "sliding_attention", "chunked_attention"};
  made.config["no_rope_layers"] = {1, 0, 1};
  made.config["max_window_layers"] = 2;
  made.config["of_three"] = {1, 2, 3};  // not known to be one of layers
  made.config["num_local_things"] = 3;
  open();
  Edits edits;
  edits.mask.dropped_layers = {1};
  const Checkpoint cut = write(edits);
  std::vector<std::string> expected;
  for (const std::string& name : names_of(*checkpoint)) {
    if (name.find("layers.1.") != name.npos) continue;
    const auto at = name.find("layers.2.");
    expected.push_back(at == name.npos ? name : std::string(name).replace(at, 9, "layers.1."));
    EXPECT_EQ(floats_of(cut, expected.back()), floats_of(*checkpoint, name));
  }
  EXPECT_EQ(names_of(cut), expected);
  json config = json::parse(checkpoint->config_text());
  config["num_hidden_layers"] = 2;
  config["layer_types"] = {"full_attention", "chunked_attention"};
  config["no_rope_layers"] = {1, 1};
  config["max_window_layers"] = 1;
  EXPECT_EQ(json::parse(cut.config_text()), config);
  EXPECT_EQ(describe_model(cut).layers.size(), 2u);
}

TEST_F(SliceEdits, TheIndexOfShardsHoldsTheNewNames) {
  open();
  Edits edits;
  edits.mask.dropped_layers = {0};
  SliceOptions options;
  options.max_shard_bytes = 1000;
  const Checkpoint cut = write(edits, "out", options);
  const json index = json::parse(test::read_bytes(folder / "out" / "model.safetensors.index.json"));
  EXPECT_EQ(index["weight_map"].size(), cut.tensors().size());
  for (const std::string& name : names_of(cut)) EXPECT_TRUE(index["weight_map"].contains(name)) << name;
  EXPECT_FALSE(index["weight_map"].contains("model.layers.2.mlp.up_proj.weight"));
}

TEST_F(SliceEdits, BothSpellingsOfTheNumberOfLayersAreRewritten) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const test::TemporaryFolder changed;
  fs::copy(data / "golden" / "gpt2", changed / "gpt2", fs::copy_options::recursive);
  json config = json::parse(test::read_bytes(changed / "gpt2" / "config.json"));
  config["num_hidden_layers"] = 3;
  fs::permissions(changed / "gpt2" / "config.json", fs::perms::owner_all);
  test::write_bytes(changed / "gpt2" / "config.json", config.dump());
  const Checkpoint gpt2(changed / "gpt2");
  Edits edits;
  edits.mask.dropped_layers = {0, 1};
  const json after = json::parse(plan_slice(gpt2, describe_model(gpt2), edits).config_text);
  EXPECT_EQ(after["n_layer"], 1);
  EXPECT_EQ(after["num_hidden_layers"], 1);
}

TEST_F(SliceEdits, KvGroupsCutRowsOfThreeAndColumnsOfOne) {
  open();
  Edits edits;
  edits.mask.kept_kv_groups = {{1}, {1}, {0}};
  const Checkpoint cut = write(edits);
  const std::string layer = "model.layers.0.self_attn.";
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    const auto before = floats_of(*checkpoint, layer + name + ".weight");
    EXPECT_EQ(floats_of(cut, layer + name + ".weight"), std::vector<float>(before.begin() + 32, before.end())) << name;
  }
  const auto before = floats_of(*checkpoint, layer + "o_proj.weight"), after = floats_of(cut, layer + "o_proj.weight");
  ASSERT_EQ(after.size(), 32u);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t j = 0; j < 4; ++j) EXPECT_EQ(after[i * 4 + j], before[i * 8 + 4 + j]);
  }
  const json config = json::parse(cut.config_text());
  EXPECT_EQ(config["num_attention_heads"], 1);
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["head_dim"], 4);
  EXPECT_TRUE(describe_model(cut).heads_match_config());
  const std::vector<std::string> notes = plan(edits).notes;
  ASSERT_EQ(notes.size(), 1u);  // one head divides any hidden size
  EXPECT_NE(notes[0].find("transformers 4.45"), std::string::npos);
}

TEST_F(SliceEdits, HeadsThatDoNotDivideTheHiddenSizeAreNoted) {
  made.config["num_attention_heads"] = 4;
  made.config["num_key_value_heads"] = 4;
  open();
  Edits edits;
  edits.mask.kept_kv_groups.assign(3, {0, 2, 3});
  const std::vector<std::string> notes = plan(edits).notes;
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[1].find("transformers 5 refuses"), std::string::npos);
}

TEST_F(SliceEdits, PaddingIsTheCutFollowedByZeros) {
  open();
  Edits edits;
  edits.mask.kept = {first(12), {1, 5}, {0, 2, 4, 6, 7}};
  edits.layout = SliceLayout::kPadded;
  edits.padded_width = 13;  // beyond the source's too
  const Checkpoint padded = write(edits, "padded");
  edits.layout = SliceLayout::kStock;
  const Checkpoint cut = write(edits, "cut");
  EXPECT_EQ(json::parse(padded.config_text())["intermediate_size"], 13);
  for (int64_t l = 0; l < 3; ++l) {
    const size_t kept = edits.mask.kept[static_cast<size_t>(l)].size();
    for (const char* matrix : {"gate", "up"}) {
      auto expected = floats_of(cut, test::tiny_ffn_tensor(l, matrix));
      expected.resize(13 * 8, 0.0f);
      EXPECT_EQ(floats_of(padded, test::tiny_ffn_tensor(l, matrix)), expected);
    }
    const auto narrow = floats_of(cut, test::tiny_ffn_tensor(l, "down"));
    const auto wide = floats_of(padded, test::tiny_ffn_tensor(l, "down"));
    for (size_t i = 0; i < 8; ++i) {
      for (size_t j = 0; j < 13; ++j) EXPECT_EQ(wide[i * 13 + j], j < kept ? narrow[i * kept + j] : 0.0f);
    }
  }
  edits.layout = SliceLayout::kPadded;
  edits.padded_width = 11;
  refused(edits, ErrorCode::kBadOption, {"padded width", "11", "layer 0 keeps 12"});
}

TEST_F(SliceEdits, StackedGateAndUpArePaddedEach) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Checkpoint phi3(data / "golden" / "phi3");
  const ModelDescription described = describe_model(phi3);
  Edits edits{.mask = {.kept = {{3}, {0, 1}, {7}}}};
  edits.layout = SliceLayout::kPadded;
  SilentProgress progress;
  write_slice(phi3, plan_slice(phi3, described, edits), folder / "out", {}, progress);
  const Checkpoint padded(folder / "out");
  const std::string name = described.layers[0].ffn.up.tensor;
  const auto before = floats_of(phi3, name), after = floats_of(padded, name);
  const auto row = [](const std::vector<float>& values, size_t i) {
    return std::vector<float>(values.begin() + static_cast<long>(i) * 64,
                              values.begin() + static_cast<long>(i + 1) * 64);
  };
  ASSERT_EQ(after.size(), 4u * 64);
  EXPECT_EQ(row(after, 0), row(before, 3));
  EXPECT_EQ(row(after, 1), std::vector<float>(64));
  EXPECT_EQ(row(after, 2), row(before, 192 + 3));
  EXPECT_EQ(row(after, 3), std::vector<float>(64));
}

TEST_F(SliceEdits, NewValuesAreCheckedAgainstTheCutTensor) {
  open();
  const std::string down = test::tiny_ffn_tensor(1, "down");
  Edits edits{.mask = {.kept = {first(12), {1, 5}, first(3)}}};
  std::vector<float> values(16);
  std::iota(values.begin(), values.end(), 1.0f);
  const MatrixRef& matrix = model.layers[1].ffn.down;
  const auto bytes = encode_matrix(*checkpoint, matrix, values);
  edits.replaced[down] = bytes;
  EXPECT_EQ(floats_of(write(edits), down), values);

  edits.layout = SliceLayout::kPadded;  // the zeros are the slice's business
  const Checkpoint padded = write(edits, "padded");
  const auto wide = floats_of(padded, down);
  ASSERT_EQ(wide.size(), 8u * 12);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t j = 0; j < 12; ++j) EXPECT_EQ(wide[i * 12 + j], j < 2 ? values[i * 2 + j] : 0.0f);
  }
  edits.layout = SliceLayout::kStock;

  edits.mask.dropped_layers = {0};  // the new values keep their source's name
  const auto shifted = floats_of(write(edits, "shifted"), test::tiny_ffn_tensor(0, "down"));
  EXPECT_EQ(shifted, values);
  edits.mask.dropped_layers = {};

  edits.replaced[down] = std::span(bytes).first(bytes.size() / 2);  // as of f16
  refused(edits, ErrorCode::kMismatch, {down, "32 bytes", "64", "F32 [8, 2]"});
  edits.replaced.clear();
  edits.replaced["model.layers.9.mlp.down_proj.weight"] = bytes;
  refused(edits, ErrorCode::kMismatch, {"model.layers.9.mlp.down_proj.weight"});
}

TEST_F(SliceEdits, NewValuesThatAreNotFiniteLeaveNothing) {
  open();
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(8 * 12, 0.5f);
    values[17] = bad;
    const auto bytes = std::as_bytes(std::span(values));
    Edits edits;
    edits.replaced[test::tiny_ffn_tensor(0, "down")] = bytes;
    test::expect_error(ErrorCode::kNonFinite, {test::tiny_ffn_tensor(0, "down"), "new values"}, [&] { write(edits); });
    EXPECT_FALSE(fs::exists(folder / "out"));
  }
}

TEST_F(SliceEdits, SizesOfThePlanAreThoseOfTheFolder) {
  open();
  std::vector<Edits> all(4);
  all[0].mask.kept = {first(3), first(7), first(12)};
  all[1].mask.kept_kv_groups.assign(3, {0});
  all[2].mask.dropped_layers = {0, 2};
  all[3] = {.mask = all[0].mask, .layout = SliceLayout::kPadded, .padded_width = 16};
  all[3].mask.dropped_layers = {1};
  all[3].mask.kept_kv_groups.assign(3, {1});
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    const Checkpoint cut = write(all[i], "out" + std::to_string(i));
    std::vector<TensorSpec> stored;
    for (const auto& entry : cut.tensors()) stored.push_back(entry.stored.spec);
    const ModelSize planned = measure_size(model, plan(all[i]).tensors),
                    found = measure_size(describe_model(cut), stored);
    EXPECT_EQ(planned.params, found.params);
    EXPECT_EQ(planned.ffn_params, found.ffn_params);
    EXPECT_EQ(planned.bytes, found.bytes);
    EXPECT_EQ(planned.flops_per_token, found.flops_per_token);
  }
  // By hand: one layer of hidden 8 with 16 zero-filled neurons and one head of size 4, embedding and head of 16 x 8.
  const ModelSize last = measure_size(model, plan(all[3]).tensors);
  EXPECT_EQ(last.ffn_params, 2 * 3 * 16 * 8);
  EXPECT_EQ(last.params, last.ffn_params + 2 * (4 * 4 * 8 + 2 * 8) + 2 * 16 * 8 + 8);
  EXPECT_EQ(last.flops_per_token, 2 * (last.ffn_params + 2 * 4 * 4 * 8 + 16 * 8));
}

TEST_F(SliceEdits, WhatMakesNoSenseIsRefused) {
  open();
  using Lists = std::vector<std::vector<int64_t>>;
  const auto mask = [](Lists kept, Lists groups, std::vector<int64_t> dropped) {
    return Edits{.mask = {std::move(kept), std::move(groups), std::move(dropped)}};
  };
  refused(mask({}, {}, {0, 1, 2}), ErrorCode::kMismatch, {"all 3 layers"});
  refused(mask({}, {}, {1, 1}), ErrorCode::kMismatch, {"layer 1 twice"});
  refused(mask({}, {}, {2, 1}), ErrorCode::kMismatch, {"not ascending"});
  refused(mask({}, {}, {3}), ErrorCode::kMismatch, {"layer 3", "0 to 2"});
  refused(mask({}, {}, {-1}), ErrorCode::kMismatch, {"layer -1"});
  refused(mask({}, {{0}, {0}}, {}), ErrorCode::kMismatch, {"2 layers"});
  refused(mask({}, {{0}, {0}, {2}}, {}), ErrorCode::kMismatch, {"layer 2", "KV group 2", "0 to 1"});
  refused(mask({}, {{0}, {-5}, {0}}, {}), ErrorCode::kMismatch, {"KV group -5"});
  refused(mask({}, {{0}, {0, 0}, {0}}, {}), ErrorCode::kMismatch, {"KV group 0 twice"});
  refused(mask({}, {{1, 0}, {0}, {0}}, {}), ErrorCode::kMismatch, {"not ascending"});
  refused(mask({}, {{0}, {}, {0}}, {}), ErrorCode::kMismatch, {"layer 1 keeps no KV group"});
  refused(mask({{0}, {}, {0}}, {}, {}), ErrorCode::kMismatch, {"layer 1 keeps no row"});
  EXPECT_NO_THROW(plan(mask({{0}, {}, {0}}, {{0}, {}, {0}}, {1})));  // of a layer that goes, nothing need be said
}

TEST_F(SliceEdits, ScoresDividedByTheLayersNumberKeepTheirLayers) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Checkpoint gpt2(data / "golden" / "gpt2");
  std::string config = gpt2.config_text();
  config.replace(config.find("\"scale_attn_by_inverse_layer_idx\": false"), 40,
                 "\"scale_attn_by_inverse_layer_idx\": true");
  std::vector<std::string> names = names_of(gpt2);
  const ModelDescription scaled = describe_model(config, tensor_lookup(gpt2), names, "config.json");
  Edits edits;
  edits.mask.dropped_layers = {0};
  test::expect_error(ErrorCode::kUnsupported, {"gpt2", "number of their layer"},
                     [&] { plan_slice(gpt2, scaled, edits); });
}

class DeciEdits : public SliceEdits {
 protected:
  DeciEdits() : SliceEdits(768) {}
};

TEST_F(DeciEdits, ConfigKeyByKey) {
  made.config["rope_theta"] = 500000.0;
  open();
  Edits edits{.mask = {.kept = {first(512), first(768), first(256)}}, .layout = SliceLayout::kDeci};
  const Checkpoint cut = write(edits);
  json expected = json::parse(checkpoint->config_text());
  expected["model_type"] = "nemotron-nas";
  expected["architectures"] = {"DeciLMForCausalLM"};
  expected["auto_map"] = {{"AutoConfig", "configuration_decilm.DeciLMConfig"}};
  expected["intermediate_size"] = nullptr;
  expected["num_key_value_heads"] = nullptr;
  expected["block_configs"] = json::array();
  for (const double ffn_mult : {96.0, 144.0, 48.0}) {  // 3 * width / (2 * 8)
    expected["block_configs"].push_back(
        {{"attention",
          {{"n_heads_in_group", 1},
           {"no_op", false},
           {"num_sink_tokens", nullptr},
           {"replace_with_linear", false},
           {"sparsify", nullptr},
           {"unshifted_sink", false},
           {"use_prefill_window_in_sink_attention", false},
           {"window_length", nullptr}}},
         {"ffn", {{"ffn_mult", ffn_mult}, {"no_op", false}, {"replace_with_linear", false}, {"sparsify", nullptr}}}});
  }
  EXPECT_EQ(json::parse(cut.config_text()), expected);
  EXPECT_EQ(describe_model(cut).ffn_widths(), (std::vector<int64_t>{512, 768, 256}));
  EXPECT_TRUE(plan(edits).uniform);
  const std::string code = test::read_bytes(folder / "out" / "configuration_decilm.py");
  EXPECT_NE(code.find("class DeciLMConfig"), std::string::npos);
}

TEST_F(DeciEdits, WhatTheLayoutCannotStateIsRefused) {
  open();
  Edits edits{.mask = {.kept = {first(256), first(300), first(512)}}, .layout = SliceLayout::kDeci};
  refused(edits, ErrorCode::kBadOption, {"layer 1", "300", "multiples of 256", "--width-multiple 256"});
  edits.mask.dropped_layers = {1};
  EXPECT_NO_THROW(plan(edits));
  EXPECT_EQ(plan(edits).notes.size(), 1u);
  edits.mask.kept_kv_groups = {{0}, {}, {1}};
  EXPECT_EQ(plan(edits).notes.size(), 2u);  // and the head size
  edits.mask.kept_kv_groups = {{0}, {}, {0, 1}};
  refused(edits, ErrorCode::kUnsupported, {"layer 0 keeps 1 query heads", "layer 2 keeps 2"});
}

TEST_F(DeciEdits, OtherFamiliesAndBiasesAreRefused) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name : {"mistral", "qwen2", "gemma", "phi3", "opt"}) {
    const Checkpoint other(data / "golden" / name);
    test::expect_error(ErrorCode::kUnsupported, {"DeciLM", name},
                       [&] { plan_slice(other, describe_model(other), Edits{.layout = SliceLayout::kDeci}); });
  }
  for (const char* matrix : {"gate", "up"})
    made.tensors.push_back(
        test::f32_tensor("model.layers.0.mlp." + std::string(matrix) + "_proj.bias", {768}, std::vector<float>(768)));
  open();
  refused({.layout = SliceLayout::kDeci}, ErrorCode::kUnsupported, {"biases"});
}

TEST_F(DeciEdits, ADeciSourceKeepsWhatElseItsBlocksSay) {
  open();
  Edits edits{.mask = {.kept = {first(512), first(768), first(256)}}, .layout = SliceLayout::kDeci};
  write(edits, "deci");
  json config = json::parse(test::read_bytes(folder / "deci" / "config.json"));
  for (json& block : config["block_configs"]) block["comment"] = "mine";
  config["block_configs"][1]["attention"].erase("window_length");
  test::write_bytes(folder / "deci" / "config.json", config.dump());
  const Checkpoint deci(folder / "deci");
  const ModelDescription described = describe_model(deci);
  EXPECT_TRUE(described.keys.per_layer);
  EXPECT_EQ(plan_slice(deci, described, Edits{}).config_text, config.dump());  // nothing changed: the same bytes
  Edits again{.mask = {.kept = {first(256), first(512), first(200)}}, .layout = SliceLayout::kPadded};
  again.mask.dropped_layers = {0};
  const json after = json::parse(plan_slice(deci, described, again).config_text);
  ASSERT_EQ(after["block_configs"].size(), 2u);
  for (const json& block : after["block_configs"]) {
    EXPECT_EQ(block["comment"], "mine");
    EXPECT_EQ(deci_width(block["ffn"]["ffn_mult"], 8), 512);
  }
  EXPECT_FALSE(after["block_configs"][0]["attention"].contains("window_length"));
  EXPECT_EQ(after["num_hidden_layers"], 2);
  EXPECT_EQ(after["model_type"], "nemotron-nas");
}

}  // namespace
}  // namespace prunenet
