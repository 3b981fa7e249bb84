// KV groups in every layout of the attention tensors, and DeciLM: described from names and shapes alone.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/deci.h"
#include "model/transformer.h"
#include "support/support.h"

namespace prunenet {
namespace {
using nlohmann::json;

struct Outline {
  json config;
  std::vector<TensorSpec> tensors;

  Outline& with(const std::string& name, std::vector<int64_t> shape) {
    tensors.push_back({name, Dtype::kF32, std::move(shape)});
    return *this;
  }
  ModelDescription describe() const {
    std::vector<std::string> names;
    for (const TensorSpec& tensor : tensors) names.push_back(tensor.name);
    const TensorLookup find = [&](const std::string& name) -> const TensorSpec* {
      const auto found =
          std::find_if(tensors.begin(), tensors.end(), [&](const TensorSpec& t) { return t.name == name; });
      return found == tensors.end() ? nullptr : &*found;
    };
    return describe_model(config.dump(), find, names, "config.json");
  }
};

// Hidden 8, four heads of size 2, F 256 in `layers` layers.
Outline llama(int64_t kv_heads, int64_t layers = 1) {
  Outline outline;
  outline.config = {{"model_type", "llama"},
                    {"hidden_size", 8},
                    {"num_hidden_layers", layers},
                    {"num_attention_heads", 4},
                    {"num_key_value_heads", kv_heads},
                    {"intermediate_size", 256},
                    {"vocab_size", 16}};
  outline.with("model.embed_tokens.weight", {16, 8});
  for (int64_t l = 0; l < layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    outline.with(layer + "self_attn.q_proj.weight", {8, 8}).with(layer + "self_attn.k_proj.weight", {2 * kv_heads, 8});
    outline.with(layer + "self_attn.v_proj.weight", {2 * kv_heads, 8}).with(layer + "self_attn.o_proj.weight", {8, 8});
    outline.with(layer + "mlp.gate_proj.weight", {256, 8}).with(layer + "mlp.up_proj.weight", {256, 8});
    outline.with(layer + "mlp.down_proj.weight", {8, 256});
  }
  return outline;
}

std::vector<int64_t> owned(const CoupledGroup& group, const std::string& ending, const std::vector<int64_t>& kept) {
  for (const CoupledMember& member : group.members) {
    if (member.tensor.ends_with(ending)) return owned_indices(member, kept);
  }
  return {-1};
}

using Indices = std::vector<int64_t>;

TEST(KvGroups, OfSeparateMatricesWithBiases) {
  Outline outline = llama(2);
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    const bool shared = name[0] == 'k' || name[0] == 'v';
    outline.with("model.layers.0.self_attn." + std::string(name) + ".bias", {shared ? 4 : 8});
  }
  const ModelDescription model = outline.describe();
  const HeadsDescription& attention = model.layers[0].attention;
  EXPECT_EQ(attention.kv_groups.name, "layer 0 KV groups");
  EXPECT_EQ(attention.kv_groups.width, 2);
  EXPECT_EQ(attention.kv_groups.members.size(), 7u);  // three weights with biases, and o_proj, whose bias stays
  EXPECT_EQ(owned(attention.kv_groups, "q_proj.weight", {1}), (Indices{4, 5, 6, 7}));
  EXPECT_EQ(owned(attention.kv_groups, "q_proj.bias", {0}), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(owned(attention.kv_groups, "k_proj.bias", {1}), (Indices{2, 3}));
  EXPECT_EQ(owned(attention.kv_groups, "v_proj.weight", {0, 1}), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(owned(attention.kv_groups, "o_proj.weight", {1}), (Indices{4, 5, 6, 7}));
  EXPECT_EQ(attention.kv_groups.members.back().axis, 1);
  EXPECT_EQ(attention.output_bias, "model.layers.0.self_attn.o_proj.bias");
  EXPECT_EQ(model.keys.heads, "num_attention_heads");
  EXPECT_EQ(model.keys.head_dim, "head_dim");
  EXPECT_EQ(model.layer_prefix, "model.layers.");
}

TEST(KvGroups, OfFusedBlocks) {  // Phi-3: all queries, all keys, all values
  Outline outline = llama(2);
  outline.config["model_type"] = "phi3";
  std::erase_if(outline.tensors, [](const TensorSpec& t) { return t.name.find("_proj") != t.name.npos; });
  outline.with("model.layers.0.self_attn.qkv_proj.weight", {16, 8})
      .with("model.layers.0.self_attn.o_proj.weight", {8, 8});
  outline.with("model.layers.0.mlp.gate_up_proj.weight", {512, 8})
      .with("model.layers.0.mlp.down_proj.weight", {8, 256});
  const ModelDescription model = outline.describe();
  EXPECT_EQ(owned(model.layers[0].attention.kv_groups, "qkv_proj.weight", {1}), (Indices{4, 5, 6, 7, 10, 11, 14, 15}));
  EXPECT_TRUE(model.keys.heads_fixed.empty());
  outline.config["rope_scaling"] = {{"type", "longrope"}, {"short_factor", {1.0}}, {"long_factor", {1.0}}};
  EXPECT_NE(outline.describe().keys.heads_fixed.find("longrope"), std::string::npos);
  EXPECT_EQ(outline.describe().keys.heads, "");
}

TEST(KvGroups, OfInterleavedRuns) {  // Falcon's new decoder: two queries, a key and a value for each group
  Outline outline;
  outline.config = {{"model_type", "falcon"},   {"new_decoder_architecture", true},
                    {"hidden_size", 8},         {"num_hidden_layers", 1},
                    {"num_attention_heads", 4}, {"num_kv_heads", 2},
                    {"vocab_size", 16},         {"ffn_hidden_size", 32}};
  const std::string layer = "transformer.h.0.";
  outline.with("transformer.word_embeddings.weight", {16, 8});
  outline.with(layer + "self_attention.query_key_value.weight", {16, 8})
      .with(layer + "self_attention.dense.weight", {8, 8});
  outline.with(layer + "mlp.dense_h_to_4h.weight", {32, 8}).with(layer + "mlp.dense_4h_to_h.weight", {8, 32});
  const ModelDescription model = outline.describe();
  EXPECT_EQ(model.layers[0].kv_heads, 2);
  EXPECT_EQ(owned(model.layers[0].attention.kv_groups, "query_key_value.weight", {1}),
            (Indices{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(owned(model.layers[0].attention.kv_groups, "dense.weight", {1}), (Indices{4, 5, 6, 7}));
  EXPECT_NE(model.keys.heads_fixed.find("'falcon' cannot state a head size"), std::string::npos);
}

TEST(KvGroups, OfConv1dLieAlongItsColumns) {
  Outline outline;
  outline.config = {{"model_type", "gpt2"}, {"n_embd", 8}, {"n_layer", 1}, {"n_head", 4}, {"vocab_size", 16}};
  outline.with("wte.weight", {16, 8}).with("h.0.attn.c_attn.weight", {8, 24}).with("h.0.attn.c_attn.bias", {24});
  outline.with("h.0.attn.c_proj.weight", {8, 8})
      .with("h.0.mlp.c_fc.weight", {8, 32})
      .with("h.0.mlp.c_proj.weight", {32, 8});
  const ModelDescription model = outline.describe();
  const CoupledGroup& group = model.layers[0].attention.kv_groups;
  EXPECT_EQ(owned(group, "c_attn.weight", {0, 3}), (Indices{0, 1, 6, 7, 8, 9, 14, 15, 16, 17, 22, 23}));
  EXPECT_EQ(group.members[0].axis, 1);
  EXPECT_EQ(group.members[1].axis, 0);
  EXPECT_EQ(group.members[2].axis, 0);
  EXPECT_TRUE(model.layers[0].attention.output.transposed);
}

TEST(KvGroups, HeadsAreThoseOfTheTensors) {
  Outline outline = llama(2);
  outline.config["head_dim"] = 2;
  outline.tensors[1].shape = {12, 8};  // q: six heads
  outline.tensors[4].shape = {8, 12};
  ModelDescription model = outline.describe();
  EXPECT_EQ(model.layers[0].heads, 6);
  EXPECT_EQ(model.layers[0].kv_heads, 2);
  EXPECT_FALSE(model.heads_match_config());
  outline.tensors[4].shape = {8, 10};  // of another width than q has rows
  model = outline.describe();
  EXPECT_EQ(model.layers[0].heads, 4);  // what the config says
  EXPECT_TRUE(model.layers[0].attention.kv_groups.members.empty());
  EXPECT_NE(model.keys.heads_fixed.find("do not fit"), std::string::npos);
}

TEST(KvGroups, OneKeyValueHeadCannotGo) {
  EXPECT_NE(llama(1).describe().keys.heads_fixed.find("multi-query"), std::string::npos);
}

TEST(Deci, EveryWidthHasItsFfnMult) {
  for (int64_t hidden : {8, 64, 100, 768, 2048, 3072, 4096, 5120, 8192, 16384}) {
    for (int64_t width = 256; width <= 65536; width += 256) {
      const double ffn_mult = deci_ffn_mult(width, hidden);
      // int(2 * ffn_mult * hidden / 3) rounded up to 256, by hand; and as text of six decimals.
      const auto whole = static_cast<int64_t>(2 * ffn_mult * static_cast<double>(hidden) / 3);
      ASSERT_EQ((whole + 255) / 256 * 256, width) << hidden;
      ASSERT_EQ(deci_width(std::stod(std::to_string(ffn_mult)), hidden), width) << hidden;
    }
  }
  EXPECT_EQ(deci_ffn_mult(28672, 8192), 5.25);  // as nvidia/Llama-3_1-Nemotron-51B-Instruct says
  EXPECT_EQ(deci_width(1.3125, 8192), 7168);
  for (double bad : {0.0, -1.0, 1e300, std::nan("")}) EXPECT_EQ(deci_width(bad, 8192), 0);
}

Outline nemotron(int64_t layers = 2) {
  Outline outline = llama(2, layers);
  outline.config["model_type"] = "nemotron-nas";
  outline.config["architectures"] = {"DeciLMForCausalLM"};
  outline.config["intermediate_size"] = nullptr;
  outline.config["num_key_value_heads"] = nullptr;
  for (int64_t l = 0; l < layers; ++l) {
    outline.config["block_configs"].push_back(
        {{"attention", {{"n_heads_in_group", 2}, {"no_op", false}, {"window_length", nullptr}}},
         {"ffn", {{"ffn_mult", 48.0}, {"no_op", false}}}});  // 2 * 48 * 8 / 3 = 256
  }
  return outline;
}

TEST(Deci, IsDescribedLayerByLayer) {
  Outline outline = nemotron();
  ModelDescription model = outline.describe();
  EXPECT_EQ(model.family, "deci");
  EXPECT_TRUE(model.keys.per_layer);
  EXPECT_TRUE(model.width_is_uniform());
  EXPECT_TRUE(model.heads_match_config());
  EXPECT_EQ(model.layers[1].kv_heads, 2);
  outline.config["block_configs"][1]["ffn"]["ffn_mult"] = 96.0;
  EXPECT_FALSE(outline.describe().width_is_uniform());
  outline.config.erase("model_type");  // the architecture alone
  EXPECT_EQ(outline.describe().family, "deci");
  outline.config["block_configs"][1]["ffn"] = {{"intermediate_size", 256}, {"no_op", false}};  // newer ones
  EXPECT_TRUE(outline.describe().width_is_uniform());
}

TEST(Deci, TheFirstDeciLMStatesKeyValueHeadsAlone) {
  Outline outline = llama(2, 2);
  outline.config["model_type"] = "deci";
  outline.config.erase("num_key_value_heads");
  outline.config["num_key_value_heads_per_layer"] = {2, 1};
  for (const char* name : {"k_proj", "v_proj"}) {
    for (TensorSpec& tensor : outline.tensors) {
      if (tensor.name == "model.layers.1.self_attn." + std::string(name) + ".weight") tensor.shape = {2, 8};
    }
  }
  const ModelDescription model = outline.describe();
  EXPECT_FALSE(model.keys.per_layer);
  EXPECT_EQ(model.layers[0].kv_heads, 2);
  EXPECT_EQ(model.layers[1].kv_heads, 1);
  EXPECT_NE(model.keys.heads_fixed.find("list that is not rewritten"), std::string::npos);
}

TEST(Deci, BlocksThatAreNoLlamaLayersAreRefusedByName) {
  const auto refused = [](const json& patch, ErrorCode code, const std::vector<std::string>& fragments) {
    Outline outline = nemotron();
    outline.config["block_configs"][1].merge_patch(patch);
    test::expect_error(code, fragments, [&] { outline.describe(); });
  };
  using enum ErrorCode;
  refused({{"attention", {{"no_op", true}}}}, kUnsupported, {"layer 1", "'no_op'", "attention"});
  refused({{"ffn", {{"no_op", true}}}}, kUnsupported, {"layer 1", "'no_op'", "ffn"});
  refused({{"attention", {{"replace_with_linear", true}}}}, kUnsupported, {"replace_with_linear"});
  refused({{"attention", {{"window_length", 64}}}}, kUnsupported, {"window_length"});
  refused({{"parallel_blocks", {1}}}, kUnsupported, {"parallel_blocks"});
  refused({{"attention", {{"n_heads_in_group", nullptr}}}}, kFormat, {"n_heads_in_group"});
  refused({{"attention", {{"n_heads_in_group", 3}}}}, kMismatch, {"n_heads_in_group", "3", "4 heads"});
  refused({{"ffn", {{"ffn_mult", -1}}}}, kFormat, {"ffn_mult"});
  refused({{"ffn", nullptr}}, kFormat, {"'ffn'"});
  Outline outline = nemotron();
  outline.config["block_configs"].erase(1);
  test::expect_error(kMismatch, {"1 entries for 2 layers"}, [&] { outline.describe(); });
  outline.config["block_configs"] = "none";
  test::expect_error(kFormat, {"block_configs"}, [&] { outline.describe(); });
  outline.config.erase("block_configs");
  test::expect_error(kFormat, {"block_configs"}, [&] { outline.describe(); });
}

}  // namespace
}  // namespace prunenet
