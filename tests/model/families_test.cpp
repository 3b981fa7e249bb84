// One walk over every supported family: descriptions built from config and tensor names alone, without weights.
#include <algorithm>
#include <set>

#include "model/description.h"
#include "support/support.h"

namespace prunenet {
namespace {

// A checkpoint that exists only as names and shapes.
struct Outline {
  std::string config;
  std::vector<TensorSpec> tensors;

  ModelDescription describe() const {
    std::vector<std::string> names;
    for (const TensorSpec& tensor : tensors) names.push_back(tensor.name);
    const TensorLookup find = [&](const std::string& name) -> const TensorSpec* {
      const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const TensorSpec& t) { return t.name == name; });
      return found == tensors.end() ? nullptr : &*found;
    };
    return describe_model(config, find, names, "config.json");
  }
  Outline& with(const std::string& name, std::vector<int64_t> shape, Dtype dtype = Dtype::kBf16) {
    tensors.push_back({name, dtype, std::move(shape)});
    return *this;
  }
};

Outline llama_7b_layer() {
  Outline outline;
  outline.config = R"({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 1, "num_attention_heads": 32,
                       "intermediate_size": 11008, "vocab_size": 32000})";
  outline.with("model.embed_tokens.weight", {32000, 4096}).with("lm_head.weight", {32000, 4096}).with("model.norm.weight", {4096});
  const std::string layer = "model.layers.0.";
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) outline.with(layer + "self_attn." + name + ".weight", {4096, 4096});
  outline.with(layer + "mlp.gate_proj.weight", {11008, 4096}).with(layer + "mlp.up_proj.weight", {11008, 4096});
  outline.with(layer + "mlp.down_proj.weight", {4096, 11008});
  outline.with(layer + "input_layernorm.weight", {4096}).with(layer + "post_attention_layernorm.weight", {4096});
  return outline;
}

TEST(Families, Llama7bGroupAndSizes) {
  const Outline outline = llama_7b_layer();
  const ModelDescription model = outline.describe();
  EXPECT_EQ(model.family, "llama");
  const CoupledGroup& group = model.layers[0].ffn.neurons;
  EXPECT_EQ(group.width, 11008);
  ASSERT_EQ(group.members.size(), 3u);
  EXPECT_EQ(group.members[2].tensor, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(group.members[2].axis, 1);
  EXPECT_EQ(model.layers[0].ffn.policy_view().tensor, "model.layers.0.mlp.gate_proj.weight");
  const ModelSize size = measure_size(model, outline.tensors);
  const int64_t ffn = 3ll * 11008 * 4096, attention = 4ll * 4096 * 4096, table = 32000ll * 4096;
  EXPECT_EQ(size.ffn_params, ffn);
  EXPECT_EQ(size.params, ffn + attention + 2 * table + 3 * 4096);
  EXPECT_EQ(size.flops_per_token, 2 * (ffn + attention + table));  // the embedding is looked up, the head multiplied
  EXPECT_EQ(size.bytes, 2 * size.params);
}

TEST(Families, TheWidthComesFromTheTensorsAndTheConfigIsHeldAgainstIt) {
  Outline outline = llama_7b_layer();
  EXPECT_TRUE(outline.describe().width_is_uniform());
  outline.config.replace(outline.config.find("11008"), 5, "11000");
  const ModelDescription model = outline.describe();
  EXPECT_EQ(model.ffn_widths(), std::vector<int64_t>{11008});
  EXPECT_FALSE(model.width_is_uniform());
}

TEST(Families, EveryGoldenIsDescribedWithItsOwnTraits) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  struct Expected {
    const char *folder, *family, *key;
    int64_t width, kv_heads;
    size_t members;
    bool gated, tied;
  };
  const Expected table[] = {
      {"llama", "llama", "intermediate_size", 192, 2, 3, true, false},
      {"llama_bf16", "llama", "intermediate_size", 192, 1, 3, true, false},
      {"llama_sharded", "llama", "intermediate_size", 192, 2, 3, true, false},
      {"mistral", "mistral", "intermediate_size", 224, 2, 3, true, false},
      {"qwen2", "qwen2", "intermediate_size", 192, 2, 3, true, false},
      {"gemma", "gemma", "intermediate_size", 256, 1, 3, true, true},
      {"phi", "phi", "intermediate_size", 256, 4, 3, false, false},
      {"phi3", "phi3", "intermediate_size", 192, 2, 2, true, false},
      {"opt", "opt", "ffn_dim", 256, 4, 3, false, true},
      {"falcon7b_mqa", "falcon", "ffn_hidden_size", 256, 1, 2, false, true},
      {"falcon_rw_alibi", "falcon", "ffn_hidden_size", 256, 4, 3, false, true},
      {"gpt_neox", "gpt_neox", "intermediate_size", 256, 4, 3, false, false},
      {"gpt2", "gpt2", "n_inner", 256, 4, 3, false, true}};
  std::set<std::string> seen;
  for (const Expected& expected : table) {
    SCOPED_TRACE(expected.folder);
    const Checkpoint checkpoint(data / "golden" / expected.folder);
    const ModelDescription model = describe_model(checkpoint);
    EXPECT_EQ(model.family, expected.family);
    EXPECT_EQ(model.width_key, expected.key);
    EXPECT_EQ(model.ffn_widths(), std::vector<int64_t>(3, expected.width));
    EXPECT_TRUE(model.width_is_uniform());
    EXPECT_EQ(model.layers[0].kv_heads, expected.kv_heads);
    EXPECT_EQ(model.layers[2].ffn.neurons.members.size(), expected.members);
    EXPECT_EQ(model.layers[0].ffn.gate.has_value(), expected.gated);
    EXPECT_EQ(model.tied_head, expected.tied);
    EXPECT_FALSE(model.embeddings.empty());
    seen.insert(model.family);
  }
  seen.insert("deci");  // llama goldens cut into its layout stand for it: tests/runtime/edits_test.cpp
  for (const std::string& family : supported_families()) EXPECT_TRUE(seen.contains(family)) << family << " has no golden";
}

TEST(Families, Falcon40bNewDecoderAndRefinedWebSpelling) {
  Outline outline;
  outline.config = R"({"model_type": "RefinedWeb", "hidden_size": 8, "n_layer": 1, "n_head": 4, "n_head_kv": 2, "vocab_size": 16})";
  outline.with("transformer.word_embeddings.weight", {16, 8}).with("lm_head.weight", {16, 8});
  outline.with("transformer.h.0.mlp.dense_h_to_4h.weight", {32, 8}).with("transformer.h.0.mlp.dense_4h_to_h.weight", {8, 32});
  ModelDescription model = outline.describe();
  EXPECT_EQ(model.family, "falcon");
  EXPECT_EQ(model.config_width, 32);  // absent key: 4 x hidden
  EXPECT_EQ(model.layers[0].kv_heads, 2);
  outline.config = R"({"model_type": "falcon", "new_decoder_architecture": true, "hidden_size": 8, "num_hidden_layers": 1,
                       "num_attention_heads": 4, "num_kv_heads": 2, "vocab_size": 16, "ffn_hidden_size": 32})";
  EXPECT_EQ(outline.describe().layers[0].kv_heads, 2);
}

TEST(Families, Opt350mPostNormWithProjections) {
  Outline outline;
  outline.config = R"({"model_type": "opt", "hidden_size": 8, "word_embed_proj_dim": 4, "do_layer_norm_before": false,
                       "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 12, "vocab_size": 16})";
  const std::string d = "model.decoder.";
  outline.with(d + "embed_tokens.weight", {16, 4}).with(d + "project_in.weight", {8, 4}).with(d + "project_out.weight", {4, 8});
  outline.with(d + "layers.0.fc1.weight", {12, 8}).with(d + "layers.0.fc1.bias", {12});
  outline.with(d + "layers.0.fc2.weight", {8, 12}).with(d + "layers.0.fc2.bias", {8});
  const ModelDescription model = outline.describe();
  EXPECT_EQ(model.layers[0].ffn.neurons.members.size(), 3u);  // fc1, its bias, fc2; the bias of fc2 stays
  EXPECT_EQ(model.layers[0].ffn.down_bias, d + "layers.0.fc2.bias");
}

TEST(Families, Gpt2OfTheHubHasNoPrefixAndStoresItsMasks) {
  Outline outline;
  outline.config = R"({"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 16, "n_inner": null})";
  outline.with("wte.weight", {16, 8}).with("wpe.weight", {4, 8}).with("h.0.attn.bias", {1, 1, 4, 4});
  outline.with("h.0.mlp.c_fc.weight", {8, 32}).with("h.0.mlp.c_fc.bias", {32}).with("h.0.mlp.c_proj.weight", {32, 8});
  const ModelDescription model = outline.describe();
  EXPECT_TRUE(model.layers[0].ffn.up.transposed);
  EXPECT_EQ(model.layers[0].ffn.neurons.members[0].axis, 1);
  EXPECT_EQ(model.layers[0].ffn.neurons.members[2].axis, 0);
  EXPECT_EQ(measure_size(model, outline.tensors).params, 16 * 8 + 4 * 8 + 8 * 32 + 32 + 32 * 8);  // the mask is no parameter
}

TEST(Families, LlamaWithMlpBiasCutsGateAndUpBiases) {
  Outline outline = llama_7b_layer();
  outline.with("model.layers.0.mlp.gate_proj.bias", {11008}).with("model.layers.0.mlp.up_proj.bias", {11008});
  outline.with("model.layers.0.mlp.down_proj.bias", {4096});
  EXPECT_EQ(outline.describe().layers[0].ffn.neurons.members.size(), 5u);
}

TEST(Families, RefusalsNameWhatWasFound) {
  using test::expect_error;
  const auto refused = [](const std::string& config, ErrorCode code, std::vector<std::string> fragments) {
    Outline outline = llama_7b_layer();
    outline.config = config;
    expect_error(code, fragments, [&] { outline.describe(); });
  };
  refused(R"({"model_type": "mixtral", "num_local_experts": 8})", ErrorCode::kUnsupported, {"mixtral", "mixture of experts"});
  refused(R"({"model_type": "mixtral"})", ErrorCode::kUnsupported, {"mixtral", "mixture of experts"});
  refused(R"({"model_type": "rwkv"})", ErrorCode::kUnsupported, {"rwkv", "not supported yet", "llama"});
  refused(R"({"architectures": ["FooForCausalLM"]})", ErrorCode::kUnsupported, {"FooForCausalLM"});
  refused(R"({})", ErrorCode::kUnsupported, {"model_type"});
  refused(R"({"model_type": "llama", "quantization_config": {}})", ErrorCode::kUnsupported, {"quantised"});
  refused("[1]", ErrorCode::kFormat, {"config.json"});
  refused("{", ErrorCode::kFormat, {"config.json", "no JSON"});
  refused(R"({"model_type": "llama"})", ErrorCode::kFormat, {"lacks 'hidden_size'"});
  refused(R"({"model_type": "llama", "hidden_size": -4})", ErrorCode::kFormat, {"'hidden_size' is -4"});
  refused(R"({"model_type": "llama", "hidden_size": "64"})", ErrorCode::kFormat, {"'hidden_size'"});
  refused(R"({"model_type": "llama", "hidden_size": 1e30})", ErrorCode::kFormat, {"'hidden_size'"});
  std::string deep = R"({"model_type": )";
  for (int i = 0; i < 100000; ++i) deep += "[";
  refused(deep, ErrorCode::kFormat, {"deeper"});
}

TEST(Families, WithoutAModelTypeTheArchitectureCounts) {
  Outline outline = llama_7b_layer();
  outline.config.replace(outline.config.find("\"model_type\": \"llama\""), 21, "\"architectures\": [\"LlamaForCausalLM\"]");
  EXPECT_EQ(outline.describe().family, "llama");
}

TEST(Families, ContradictionsBetweenConfigAndTensorsAreNamed) {
  using test::expect_error;
  Outline outline = llama_7b_layer();
  ASSERT_EQ(outline.tensors[9].name, "model.layers.0.mlp.down_proj.weight");
  outline.tensors[9].shape = {4096, 11007};
  expect_error(ErrorCode::kMismatch, {"mlp.down_proj.weight", "[4096, 11007]", "[4096, 11008]"}, [&] { outline.describe(); });
  outline = llama_7b_layer();
  outline.tensors[9].dtype = Dtype::kI8;
  expect_error(ErrorCode::kUnsupported, {"mlp.down_proj.weight", "I8"}, [&] { outline.describe(); });
  outline = llama_7b_layer();
  outline.tensors.erase(outline.tensors.begin() + 9);
  expect_error(ErrorCode::kMismatch, {"mlp.down_proj.weight", "not there"}, [&] { outline.describe(); });
  outline = llama_7b_layer();
  outline.with("model.layers.1.mlp.up_proj.weight", {11008, 4096});
  expect_error(ErrorCode::kMismatch, {"1 layers", "model.layers.1."}, [&] { outline.describe(); });
}

}  // namespace
}  // namespace prunenet
