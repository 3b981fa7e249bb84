// What the metadata and tensors of GGUF files say of a model: the words of config.json, names and layouts, what can be
// cut, and what is refused.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "checkpoint/gguf_writer.h"
#include "model/gguf_config.h"
#include "model/gguf_reader.h"
#include "model/transformer.h"
#include "model/weights.h"
#include "support/support.h"

namespace prunenet {
namespace {

using nlohmann::json;
using test::expect_error;
using test::TemporaryFolder;

// A small file of one architecture, to be changed in one place: hidden 16, 4 heads, 2 key-value heads, width 24.
struct Outline {
  std::string architecture;
  GgufMetadata metadata;
  std::vector<TensorSpec> tensors;
  std::map<std::string, std::vector<float>> values;  // of tensors that are not all zero

  void set(const std::string& name, GgufValue value) { metadata.set(architecture + "." + name, std::move(value)); }
  void number(const std::string& name, uint32_t value) { set(name, GgufValue::of_u32(value)); }
  void real(const std::string& name, float value) { set(name, GgufValue::of_f32(value)); }
  void erase(const std::string& name) { metadata.erase(architecture + "." + name); }
  void add(const std::string& name, std::vector<int64_t> shape) {
    tensors.push_back({name, Dtype::kF32, std::move(shape)});
  }
  void add(const std::string& name, const std::vector<float>& numbers) {
    add(name, std::vector<int64_t>{static_cast<int64_t>(numbers.size())});
    values[name] = numbers;
  }
  void linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    add(name + ".weight", std::vector<int64_t>{out, in});
    if (bias) add(name + ".bias", std::vector<int64_t>{out});
  }
  TensorSpec& tensor(const std::string& name) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const TensorSpec& spec) { return spec.name == name; });
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const TensorSpec& spec) { return spec.name == name; });
  }
};

// The file of an outline, open.
class Opened {
 public:
  explicit Opened(const Outline& outline) : checkpoint_(write(outline)) {}
  const Checkpoint& checkpoint() const { return checkpoint_; }
  json config() const { return json::parse(config_of(checkpoint_)); }
  ModelDescription model() const { return describe_model(checkpoint_); }
  TransformerDescription transformer() const { return describe_transformer(checkpoint_, model()); }

 private:
  std::filesystem::path write(const Outline& outline) {
    const auto path = folder_ / "model.gguf";
    GgufWriter writer(path, outline.metadata, outline.tensors);
    for (const TensorSpec& spec : outline.tensors) {
      std::vector<float> numbers(static_cast<size_t>(spec.num_elements()));
      if (const auto found = outline.values.find(spec.name); found != outline.values.end()) numbers = found->second;
      writer.append(std::as_bytes(std::span(numbers)).first(spec.size_bytes()));
    }
    writer.finish();
    return path;
  }

  TemporaryFolder folder_;
  Checkpoint checkpoint_;
};

Outline outline_of(const std::string& architecture) {
  const bool layer_norms =
      architecture == "phi2" || architecture == "falcon" || architecture == "gptneox" || architecture == "gpt2";
  const bool biases = layer_norms && architecture != "falcon";
  const bool fused =
      architecture == "phi3" || architecture == "falcon" || architecture == "gptneox" || architecture == "gpt2";
  const bool gated = !layer_norms && architecture != "phi3";
  const int64_t kv = layer_norms && architecture != "falcon" ? 4 : architecture == "falcon" ? 1 : 2;
  Outline outline;
  outline.architecture = architecture;
  outline.metadata.set("general.architecture", GgufValue::of_text(architecture));
  outline.number("block_count", 2);
  outline.number("context_length", 64);
  outline.number("embedding_length", 16);
  outline.number("feed_forward_length", 24);
  outline.number("attention.head_count", 4);
  outline.number("attention.head_count_kv", static_cast<uint32_t>(kv));
  outline.real(layer_norms ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 1e-5f);
  if (architecture == "gptneox") outline.set("use_parallel_residual", GgufValue::of_bool(false));
  outline.add("token_embd.weight", std::vector<int64_t>{10, 16});
  if (architecture == "gpt2") outline.add("position_embd.weight", std::vector<int64_t>{64, 16});
  const auto norm = [&](const std::string& name) {
    outline.add(name + ".weight", std::vector<int64_t>{16});
    if (layer_norms) outline.add(name + ".bias", std::vector<int64_t>{16});
  };
  norm("output_norm");
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    norm(name + "attn_norm");
    if (architecture != "phi2" && architecture != "falcon") norm(name + "ffn_norm");
    if (fused) {
      outline.linear(name + "attn_qkv", (4 + 2 * kv) * 4, 16, biases);
    } else {
      const bool attention_biases = biases || architecture == "qwen2";
      outline.linear(name + "attn_q", 16, 16, attention_biases);
      outline.linear(name + "attn_k", kv * 4, 16, attention_biases);
      outline.linear(name + "attn_v", kv * 4, 16, attention_biases);
    }
    outline.linear(name + "attn_output", 16, 16, biases);
    if (gated) outline.linear(name + "ffn_gate", 24, 16, false);
    outline.linear(name + "ffn_up", architecture == "phi3" ? 48 : 24, 16, biases);
    outline.linear(name + "ffn_down", 16, 24, biases);
  }
  if (architecture == "phi2") outline.linear("output", 10, 16, true);
  return outline;
}

const std::vector<std::string> kArchitectures{"llama",  "deci",    "qwen2", "phi2", "phi3",
                                              "falcon", "gptneox", "gpt2",  "gemma"};

TEST(Gguf, StoriesIsDescribedAsItsFolderIs) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto path = data / "models" / "stories260K";
  const Checkpoint folder(path), file(path / "stories260K.gguf");
  const json stated = json::parse(folder.config_text()), made = json::parse(config_of(file));
  EXPECT_EQ(made[kGgufArchitectureKey], "llama");
  for (const auto& [key, value] : made.items()) {
    if (key == kGgufArchitectureKey) continue;
    EXPECT_EQ(value, stated[key]) << key;
  }
  EXPECT_EQ(config_of(folder), folder.config_text());
  const ModelDescription expected = describe_model(folder), model = describe_model(file);
  EXPECT_EQ(model.family, expected.family);
  EXPECT_EQ(model.model_type, expected.model_type);
  EXPECT_EQ(model.hidden, expected.hidden);
  EXPECT_EQ(model.vocab, expected.vocab);
  EXPECT_EQ(model.tied_head, expected.tied_head);
  EXPECT_EQ(model.max_context, expected.max_context);
  EXPECT_EQ(model.bos, expected.bos);
  EXPECT_EQ(model.eos, expected.eos);
  EXPECT_EQ(model.config_layers, expected.config_layers);
  EXPECT_EQ(model.layer_prefix, "blk.");
  ASSERT_EQ(model.layers.size(), expected.layers.size());
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    EXPECT_EQ(model.sizes(layer), expected.sizes(layer));
    EXPECT_EQ(model.layers[layer].head_dim, expected.layers[layer].head_dim);
  }
  std::vector<TensorSpec> of_folder, of_file;
  for (const auto& entry : folder.tensors()) of_folder.push_back(entry.stored.spec);
  for (const auto& entry : file.tensors()) of_file.push_back(entry.stored.spec);
  const ModelSize size = measure_size(model, of_file), folder_size = measure_size(expected, of_folder);
  EXPECT_EQ(size.params, folder_size.params);
  EXPECT_EQ(size.ffn_params, folder_size.ffn_params);
  EXPECT_EQ(size.flops_per_token, folder_size.flops_per_token);
}

TEST(Gguf, NumbersAreThoseThatPeopleWrote) {
  EXPECT_EQ(shortest_decimal(static_cast<double>(1e-5f)), 1e-5);
  EXPECT_EQ(shortest_decimal(static_cast<double>(1e-6f)), 1e-6);
  EXPECT_EQ(shortest_decimal(static_cast<double>(0.1f)), 0.1);
  EXPECT_EQ(shortest_decimal(500000), 500000);
  EXPECT_EQ(shortest_decimal(1e-5), 1e-5);  // no f32: stays
  EXPECT_EQ(shortest_decimal(1.0 / 3), 1.0 / 3);
  EXPECT_NE(config_of(Opened(outline_of("llama")).checkpoint()).find("\"rms_norm_eps\": 1e-05"), std::string::npos);
}

TEST(Gguf, EveryArchitectureHasTheWordsOfItsFamily) {
  const std::map<std::string, json> expected{
      {"llama",
       {{"model_type", "llama"},
        {"architectures", {"LlamaForCausalLM"}},
        {"hidden_act", "silu"},
        {"rms_norm_eps", 1e-5},
        {"num_key_value_heads", 2},
        {"tie_word_embeddings", true},
        {"attention_bias", false},
        {"rope_theta", 10000.0},
        {"rope_scaling", nullptr}}},
      {"deci",
       {{"model_type", "nemotron-nas"}, {"architectures", {"DeciLMForCausalLM"}}, {"intermediate_size", nullptr}}},
      {"qwen2", {{"model_type", "qwen2"}, {"architectures", {"Qwen2ForCausalLM"}}, {"use_sliding_window", false}}},
      {"phi2",
       {{"model_type", "phi"},
        {"architectures", {"PhiForCausalLM"}},
        {"hidden_act", "gelu_new"},
        {"layer_norm_eps", 1e-5},
        {"partial_rotary_factor", 1.0},
        {"tie_word_embeddings", false}}},
      {"phi3",
       {{"model_type", "phi3"},
        {"architectures", {"Phi3ForCausalLM"}},
        {"sliding_window", nullptr},
        {"original_max_position_embeddings", 64}}},
      {"falcon",
       {{"model_type", "falcon"},
        {"architectures", {"FalconForCausalLM"}},
        {"multi_query", true},
        {"new_decoder_architecture", false},
        {"parallel_attn", true},
        {"alibi", false},
        {"bias", false},
        {"ffn_hidden_size", 24},
        {"layer_norm_epsilon", 1e-5}}},
      {"gptneox",
       {{"model_type", "gpt_neox"},
        {"architectures", {"GPTNeoXForCausalLM"}},
        {"hidden_act", "gelu"},
        {"use_parallel_residual", false},
        {"rotary_pct", 1.0},
        {"rotary_emb_base", 10000.0}}},
      {"gpt2",
       {{"model_type", "gpt2"},
        {"architectures", {"GPT2LMHeadModel"}},
        {"activation_function", "gelu_new"},
        {"n_embd", 16},
        {"n_layer", 2},
        {"n_head", 4},
        {"n_inner", 24},
        {"n_positions", 64}}},
      {"gemma",
       {{"model_type", "gemma"},
        {"architectures", {"GemmaForCausalLM"}},
        {"hidden_activation", "gelu_pytorch_tanh"},
        {"head_dim", 4},
        {"tie_word_embeddings", true}}}};
  for (const std::string& architecture : kArchitectures) {
    SCOPED_TRACE(architecture);
    const Opened opened(outline_of(architecture));
    const json config = opened.config();
    for (const auto& [key, value] : expected.at(architecture).items()) {
      EXPECT_TRUE(config.contains(key)) << key;
      EXPECT_EQ(config.value(key, json("absent")), value) << key;
    }
    EXPECT_EQ(config["vocab_size"], 10);
    EXPECT_EQ(config["torch_dtype"], "float32");
    const ModelDescription model = opened.model();
    EXPECT_EQ(model.max_context, 64);
    EXPECT_EQ(model.ffn_widths(), (std::vector<int64_t>{24, 24}));
    EXPECT_TRUE(model.width_is_uniform());
    EXPECT_TRUE(model.heads_match_config());
    EXPECT_FALSE(model.keys.per_layer);
    EXPECT_EQ(model.embeddings.front(), "token_embd.weight");
    const TransformerDescription transformer = opened.transformer();
    EXPECT_EQ(transformer.norm_gain_offset, 0);
    EXPECT_EQ(transformer.embedding_scale, architecture == "gemma" ? 4 : 1);
    EXPECT_EQ(transformer.rotary.has_value(), architecture != "gpt2");
    if (transformer.rotary) {
      EXPECT_EQ(transformer.rotary->adjacent_pairs, architecture == "llama" || architecture == "deci");
    }
  }
}

TEST(Gguf, TheWidthOfAGpt2IsUnsaidWhereItIsTheUsualOne) {
  Outline outline = outline_of("gpt2");
  outline.number("feed_forward_length", 64);
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    outline.tensor(name + "ffn_up.weight").shape = {64, 16};
    outline.tensor(name + "ffn_up.bias").shape = {64};
    outline.tensor(name + "ffn_down.weight").shape = {16, 64};
  }
  const Opened opened(outline);
  EXPECT_TRUE(opened.config()["n_inner"].is_null());
  EXPECT_TRUE(opened.model().width_is_uniform());
}

TEST(Gguf, FalconWithTwoNormsGivesTheFirstToTheFfn) {
  const Opened one(outline_of("falcon"));
  EXPECT_EQ(one.transformer().blocks[0].attention_norm->weight, "blk.0.attn_norm.weight");
  EXPECT_FALSE(one.transformer().blocks[0].ffn_norm);

  Outline outline = outline_of("falcon");
  outline.number("attention.head_count_kv", 2);
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    outline.tensor(name + "attn_qkv.weight").shape = {32, 16};
    outline.add(name + "attn_norm_2.weight", std::vector<int64_t>{16});
    outline.add(name + "attn_norm_2.bias", std::vector<int64_t>{16});
  }
  const Opened two(outline);
  EXPECT_EQ(two.config()["new_decoder_architecture"], true);
  EXPECT_EQ(two.config()["num_kv_heads"], 2);
  EXPECT_EQ(two.transformer().blocks[1].attention_norm->weight, "blk.1.attn_norm_2.weight");
  EXPECT_EQ(two.transformer().blocks[1].ffn_norm->weight, "blk.1.attn_norm.weight");
}

TEST(Gguf, QueryKeyAndValueMayBeFusedOrNot) {
  Outline outline = outline_of("llama");
  outline.linear("blk.1.attn_qkv", 32, 16, false);
  for (const char* part : {"q", "k", "v"}) outline.remove(std::string("blk.1.attn_") + part + ".weight");
  const Opened opened(outline);
  const TransformerDescription transformer = opened.transformer();
  EXPECT_FALSE(transformer.blocks[0].attention.fused);
  ASSERT_TRUE(transformer.blocks[1].attention.fused);
  EXPECT_EQ(transformer.blocks[1].attention.fused_groups, 1);
  EXPECT_EQ(transformer.blocks[1].attention.kv_heads, 2);
  const CoupledGroup group = opened.model().layers[1].attention.kv_groups;
  ASSERT_EQ(group.members.size(), 2u);
  EXPECT_EQ(owned_indices(group.members[0], {1}),
            (std::vector<int64_t>{8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31}));
}

TEST(Gguf, MistralIsALlamaThatStatesAWindow) {
  Outline outline = outline_of("llama");
  outline.number("attention.sliding_window", 0);
  EXPECT_EQ(Opened(outline).config()["model_type"], "llama");
  outline.number("attention.sliding_window", 5);
  const Opened opened(outline);
  EXPECT_EQ(opened.config()["model_type"], "mistral");
  EXPECT_EQ(opened.config()["architectures"], json::array({"MistralForCausalLM"}));
  EXPECT_EQ(opened.transformer().blocks[1].attention.window, 5);
  EXPECT_EQ(Opened(outline_of("llama")).transformer().blocks[1].attention.window, 0);
}

TEST(Gguf, HeadsOfTheirOwnSizeAndPartsThatTurn) {
  Outline outline = outline_of("gemma");
  outline.number("attention.key_length", 8);
  outline.number("attention.value_length", 8);
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    outline.tensor(name + "attn_q.weight").shape = {32, 16};
    outline.tensor(name + "attn_k.weight").shape = {16, 16};
    outline.tensor(name + "attn_v.weight").shape = {16, 16};
    outline.tensor(name + "attn_output.weight").shape = {16, 32};
  }
  const Opened opened(outline);
  EXPECT_EQ(opened.config()["head_dim"], 8);
  EXPECT_EQ(opened.model().layers[0].heads, 4);
  EXPECT_EQ(opened.model().layers[0].kv_heads, 2);
  EXPECT_EQ(opened.transformer().rotary->inv_freq.size(), 4u);

  for (const char* architecture : {"phi2", "phi3", "gptneox"}) {
    Outline part = outline_of(architecture);
    part.number("rope.dimension_count", 2);
    const Opened turned(part);
    EXPECT_EQ(turned.config()[part.architecture == "gptneox" ? "rotary_pct" : "partial_rotary_factor"], 0.5);
    EXPECT_EQ(turned.transformer().rotary->inv_freq.size(), 1u) << architecture;
  }
  for (const char* architecture : {"llama", "deci", "qwen2", "falcon", "gemma"}) {
    Outline part = outline_of(architecture);
    part.number("rope.dimension_count", 2);
    expect_error(ErrorCode::kUnsupported, {part.architecture + ".rope.dimension_count", "is 2", "4"},
                 [&] { Opened(part).config(); });
  }
}

TEST(Gguf, LayersMayHaveSizesOfTheirOwn) {
  for (const char* architecture : {"deci", "llama", "phi2"}) {
    SCOPED_TRACE(architecture);
    Outline outline = outline_of(architecture);
    outline.set("feed_forward_length", GgufValue::of_i32s({24, 512}));
    outline.tensor("blk.1.ffn_up.weight").shape = {512, 16};
    outline.tensor("blk.1.ffn_down.weight").shape = {16, 512};
    if (outline.architecture == "phi2") {
      outline.tensor("blk.1.ffn_up.bias").shape = {512};
    } else {
      outline.tensor("blk.1.ffn_gate.weight").shape = {512, 16};
      outline.set("attention.head_count", GgufValue::of_i32s({4, 2}));
      outline.set("attention.head_count_kv", GgufValue::of_u32s({2, 2}));
      outline.tensor("blk.1.attn_q.weight").shape = {8, 16};
      outline.tensor("blk.1.attn_output.weight").shape = {16, 8};
    }
    const Opened opened(outline);
    const ModelDescription model = opened.model();
    EXPECT_EQ(model.ffn_widths(), (std::vector<int64_t>{24, 512}));
    EXPECT_TRUE(model.width_is_uniform());
    EXPECT_TRUE(model.heads_match_config());
    EXPECT_EQ(model.layers[1].heads, outline.architecture == "phi2" ? 4 : 2);
    EXPECT_FALSE(model.keys.per_layer);  // no folder in the DeciLM layout
    const json blocks = opened.config()["block_configs"];
    EXPECT_EQ(blocks[0]["ffn"]["intermediate_size"], 24);
    EXPECT_EQ(blocks[1]["ffn"]["ffn_mult"], 48.0);
    opened.transformer();
  }
  Outline wrong = outline_of("deci");
  wrong.set("feed_forward_length", GgufValue::of_i32s({24, 32}));
  const Opened opened(wrong);
  EXPECT_FALSE(opened.model().width_is_uniform());
}

TEST(Gguf, WhatCanBeCutIsWhatLlamaCppLoads) {
  for (const std::string& architecture : kArchitectures) {
    SCOPED_TRACE(architecture);
    const ConfigKeys keys = Opened(outline_of(architecture)).model().keys;
    const bool free_heads = architecture == "llama" || architecture == "deci" || architecture == "gemma";
    EXPECT_EQ(keys.heads_fixed.empty(), free_heads) << keys.heads_fixed;
    if (architecture == "falcon") {
      EXPECT_NE(keys.heads_fixed.find("multi-query"), std::string::npos);
    }
    if (architecture == "qwen2") {
      EXPECT_NE(keys.heads_fixed.find("llama.cpp"), std::string::npos);
    }
    EXPECT_TRUE(keys.layers_fixed.empty());
    EXPECT_EQ(keys.deci_refused.empty(), architecture == "llama" || architecture == "deci") << keys.deci_refused;
  }
  Outline outline = outline_of("llama");
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const char* part : {"ffn_gate", "ffn_up"})
      outline.add("blk." + std::to_string(layer) + "." + part + ".bias", std::vector<int64_t>{24});
  }
  EXPECT_TRUE(Opened(outline).model().keys.deci_refused.empty());  // llama.cpp's has a place for biases
  Outline single = outline_of("llama");
  single.number("attention.head_count_kv", 1);
  for (const char* name : {"blk.0.attn_k", "blk.0.attn_v", "blk.1.attn_k", "blk.1.attn_v"})
    single.tensor(std::string(name) + ".weight").shape = {4, 16};
  EXPECT_NE(Opened(single).model().keys.heads_fixed.find("multi-query"), std::string::npos);
}

TEST(Gguf, HeadsFollowFromTheHeadIfItIsStored) {
  Outline outline = outline_of("llama");
  outline.linear("output", 10, 16, false);
  EXPECT_EQ(Opened(outline).config()["tie_word_embeddings"], false);
  EXPECT_EQ(Opened(outline).transformer().head.weight.tensor, "output.weight");
  Outline gemma = outline_of("gemma");
  gemma.linear("output", 10, 16, false);  // which llama.cpp leaves alone
  EXPECT_TRUE(Opened(gemma).model().tied_head);
  EXPECT_EQ(Opened(gemma).transformer().head.weight.tensor, "token_embd.weight");
}

TEST(Gguf, SpecialTokens) {
  Outline outline = outline_of("llama");
  const auto ids = [&] {
    const ModelDescription model = Opened(outline).model();
    return std::pair(model.bos, model.eos);
  };
  using Found = std::pair<std::optional<TokenId>, std::vector<TokenId>>;
  EXPECT_EQ(ids(), (Found{std::nullopt, {}}));
  outline.metadata.set("tokenizer.ggml.model", GgufValue::of_text("gpt2"));
  EXPECT_EQ(ids(), (Found{std::nullopt, {}}));
  outline.metadata.set("tokenizer.ggml.model", GgufValue::of_text("llama"));
  EXPECT_EQ(ids(), (Found{1, {2}}));  // SentencePiece's own
  outline.metadata.set("tokenizer.ggml.bos_token_id", GgufValue::of_u32(3));
  outline.metadata.set("tokenizer.ggml.eos_token_id", GgufValue::of_u32(4));
  EXPECT_EQ(ids(), (Found{3, {4}}));
  outline.metadata.set("tokenizer.ggml.eot_token_id", GgufValue::of_u32(5));
  EXPECT_EQ(ids(), (Found{3, {4, 5}}));
  outline.metadata.set("tokenizer.ggml.bos_token_id", GgufValue::of_u32(0xffffffff));  // none
  outline.metadata.set("tokenizer.ggml.eos_token_id", GgufValue::of_u32(10));          // beyond the vocabulary
  EXPECT_EQ(ids(), (Found{std::nullopt, {5}}));
}

TEST(Gguf, TheTypeIsThatOfMostMatrices) {
  for (const auto& [dtype, name] : {std::pair{Dtype::kF16, "float16"}, std::pair{Dtype::kBf16, "bfloat16"}}) {
    Outline outline = outline_of("llama");
    for (TensorSpec& spec : outline.tensors) {
      if (spec.shape.size() == 2) spec.dtype = dtype;
    }
    EXPECT_EQ(Opened(outline).config()["torch_dtype"], name);
  }
}

// ---- Rotary scaling ----

json scaling_of(const Outline& outline) {
  return Opened(outline).config()["rope_scaling"];
}

TEST(Gguf, OneFactorForAllFrequencies) {
  Outline outline = outline_of("llama");
  const std::vector<double> plain = Opened(outline).transformer().rotary->inv_freq;
  outline.real("rope.scaling.factor", 4);  // linear, where no type is stated
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 4.0}}));
  EXPECT_EQ(Opened(outline).transformer().rotary->inv_freq[1], plain[1] / 4);
  outline.set("rope.scaling.type", GgufValue::of_text("linear"));
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 4.0}}));
  outline.set("rope.scaling.type", GgufValue::of_text("none"));
  EXPECT_TRUE(scaling_of(outline).is_null());
  outline.erase("rope.scaling.type");
  outline.erase("rope.scaling.factor");
  outline.real("rope.scale_linear", 2.5f);  // as it was once called
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 2.5}}));
}

TEST(Gguf, Yarn) {
  Outline outline = outline_of("qwen2");
  outline.set("rope.scaling.type", GgufValue::of_text("yarn"));
  outline.real("rope.scaling.factor", 4);
  outline.number("rope.scaling.original_context_length", 32);
  EXPECT_EQ(scaling_of(outline),
            (json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}));
  EXPECT_NEAR(Opened(outline).transformer().rotary->attention_factor, 0.1 * std::log(4.0) + 1, 1e-12);
  outline.real("rope.scaling.yarn_beta_fast", 16);
  outline.real("rope.scaling.yarn_beta_slow", 2);
  outline.real("rope.scaling.yarn_attn_factor", 1.5f);
  outline.real("rope.scaling.yarn_ext_factor", 1);
  EXPECT_EQ(scaling_of(outline), (json{{"rope_type", "yarn"},
                                       {"factor", 4.0},
                                       {"original_max_position_embeddings", 32},
                                       {"beta_fast", 16.0},
                                       {"beta_slow", 2.0},
                                       {"attention_factor", 1.5}}));
  EXPECT_EQ(Opened(outline).transformer().rotary->attention_factor, 1.5);
  outline.real("rope.scaling.yarn_ext_factor", 0.5f);
  expect_error(ErrorCode::kUnsupported, {"qwen2.rope.scaling.yarn_ext_factor", "0.5"}, [&] { scaling_of(outline); });
}

// LLaMA 3's factors, by its rule, for heads of 64 numbers.
TEST(Gguf, TheFactorsOfLlama3BecomeItsRule) {
  Outline outline = outline_of("llama");
  outline.number("attention.key_length", 64);
  outline.number("attention.value_length", 64);
  outline.real("rope.freq_base", 500000);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    for (const char* layer : {"blk.0.", "blk.1."}) {
      auto& shape = outline.tensor(std::string(layer) + name + ".weight").shape;
      shape[std::string(name) == "attn_output" ? 1 : 0] *= 16;
    }
  }
  std::vector<float> factors;
  for (int i = 0; i < 64; i += 2) {
    const double wave = 2 * 3.14159265358979323846 * std::pow(500000.0, i / 64.0);
    const double smooth = (8192 / wave - 1) / 3;
    factors.push_back(wave < 2048 ? 1 : wave > 8192 ? 32 : static_cast<float>(1 / ((1 - smooth) / 32 + smooth)));
  }
  ASSERT_TRUE(std::any_of(factors.begin(), factors.end(), [](float f) { return f > 1 && f < 32; }));
  Outline plain = outline;
  outline.add("rope_freqs.weight", factors);
  EXPECT_EQ(scaling_of(outline), (json{{"rope_type", "llama3"},
                                       {"factor", 32.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 8192}}));
  const Opened opened(outline);
  EXPECT_EQ(opened.model().buffers, std::vector<std::string>{"rope_freqs.weight"});
  const std::vector<double> before = Opened(plain).transformer().rotary->inv_freq,
                            after = opened.transformer().rotary->inv_freq;
  for (size_t i = 0; i < factors.size(); ++i)
    EXPECT_NEAR(before[i] / after[i], static_cast<double>(factors[i]), 1e-5 * static_cast<double>(factors[i]));

  factors[5] = 1.25f;  // any others: each for itself
  plain.add("rope_freqs.weight", factors);
  const json other = scaling_of(plain);
  EXPECT_EQ(other["rope_type"], "longrope");
  EXPECT_EQ(other["short_factor"][5], 1.25);
  EXPECT_EQ(other["short_factor"], other["long_factor"]);
  const RotaryDescription rotary = *Opened(plain).transformer().rotary;
  EXPECT_EQ(rotary.inv_freq[5], before[5] / 1.25);
  EXPECT_EQ(rotary.attention_factor, 1);
  plain.values["rope_freqs.weight"] = std::vector<float>(32, 1);
  EXPECT_TRUE(scaling_of(plain).is_null());
}

TEST(Gguf, Phi3HasFactorsForShortAndLongTexts) {
  Outline outline = outline_of("phi3");
  outline.number("rope.scaling.original_context_length", 16);
  outline.number("attention.sliding_window", 9);
  outline.real("rope.scaling.attn_factor", static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(16.0))));
  outline.add("rope_factors_long.weight", std::vector<float>{2, 3.5f});
  outline.add("rope_factors_short.weight", std::vector<float>{1, 1.1f});
  const Opened opened(outline);
  // The keys that transformers' Phi3Config allows, and no others.
  EXPECT_EQ(opened.config()["rope_scaling"],
            (json{{"type", "longrope"}, {"short_factor", {1.0, 1.1}}, {"long_factor", {2.0, 3.5}}}));
  EXPECT_EQ(opened.config()["original_max_position_embeddings"], 16);
  EXPECT_EQ(opened.config()["sliding_window"], 9);
  const TransformerDescription transformer = opened.transformer();
  EXPECT_EQ(transformer.rotary->long_from, 16);
  EXPECT_EQ(transformer.rotary->long_inv_freq[0], 0.5);
  EXPECT_NEAR(transformer.rotary->attention_factor, std::sqrt(1.5), 1e-12);
  EXPECT_EQ(transformer.blocks[0].attention.window, 9);
  outline.real("rope.scaling.attn_factor", 1.5f);
  EXPECT_EQ(Opened(outline).transformer().rotary->attention_factor, 1.5);
  outline.remove("rope_factors_long.weight");
  expect_error(ErrorCode::kMismatch, {"rope_factors_long.weight", "only one"}, [&] { scaling_of(outline); });
}

// ---- Refusals ----

struct Refusal {
  const char* architecture;
  ErrorCode code;
  std::vector<std::string> words;
  std::function<void(Outline&)> spoil;
};

TEST(Gguf, WhatIsMissingOrUnknownIsNamed) {
  const auto missing = [](const char* name) -> Refusal {
    return {"llama", ErrorCode::kFormat, {"model.gguf", std::string("lacks 'llama.") + name}, [name](Outline& o) {
              o.erase(name);
            }};
  };
  const auto with = [](const char* architecture, ErrorCode code, std::vector<std::string> words, const char* name,
                       GgufValue value) -> Refusal {
    return {architecture, code, std::move(words), [=](Outline& o) { o.set(name, value); }};
  };
  const ErrorCode format = ErrorCode::kFormat, unsupported = ErrorCode::kUnsupported, mismatch = ErrorCode::kMismatch;
  const Refusal table[] = {
      missing("block_count"),
      missing("context_length"),
      missing("embedding_length"),
      missing("feed_forward_length"),
      missing("attention.head_count"),
      missing("attention.layer_norm_rms_epsilon"),
      {"gpt2", format, {"gpt2.attention.layer_norm_epsilon"}, [](Outline& o) { o.erase("attention.layer_norm_epsilon"); }},
      {"gptneox", format, {"gptneox.use_parallel_residual"}, [](Outline& o) { o.erase("use_parallel_residual"); }},
      {"llama", format, {"general.architecture"}, [](Outline& o) { o.metadata.erase("general.architecture"); }},
      {"llama", unsupported, {"mamba", "llama", "gptneox"},
       [](Outline& o) { o.metadata.set("general.architecture", GgufValue::of_text("mamba")); }},
      {"llama", unsupported, {"3 parts"},
       [](Outline& o) { o.metadata.set("split.count", GgufValue::of_u32(3)); }},
      with("llama", format, {"llama.block_count", "0"}, "block_count", GgufValue::of_u32(0)),
      with("llama", format, {"llama.block_count", "100000"}, "block_count", GgufValue::of_u32(4000000000)),
      with("llama", mismatch, {"llama.block_count", "is 90000"}, "block_count", GgufValue::of_u32(90000)),
      with("llama", format, {"llama.embedding_length", "-3"}, "embedding_length", GgufValue::of_i32(-3)),
      with("llama", format, {"llama.embedding_length"}, "embedding_length", GgufValue::of_text("many")),
      with("llama", mismatch, {"llama.feed_forward_length", "3 entries", "2 layers"}, "feed_forward_length",
           GgufValue::of_i32s({24, 24, 24})),
      with("llama", format, {"llama.feed_forward_length", "-1"}, "feed_forward_length", GgufValue::of_i32s({24, -1})),
      with("deci", unsupported, {"deci.attention.head_count_kv", "layer 1"}, "attention.head_count_kv",
           GgufValue::of_i32s({2, 0})),
      with("deci", unsupported, {"deci.feed_forward_length", "layer 0"}, "feed_forward_length",
           GgufValue::of_i32s({0, 24})),
      with("llama", unsupported, {"llama.attention.head_count", "layer 0"}, "attention.head_count", GgufValue::of_u32(0)),
      with("llama", mismatch, {"llama.attention.head_count_kv", "3"}, "attention.head_count_kv", GgufValue::of_u32(3)),
      with("llama", mismatch, {"32 heads", "16"}, "attention.head_count", GgufValue::of_u32(32)),
      with("llama", unsupported, {"llama.attention.value_length"}, "attention.value_length", GgufValue::of_u32(2)),
      with("llama", unsupported, {"llama.expert_count", "mixture of experts"}, "expert_count", GgufValue::of_u32(8)),
      with("llama", unsupported, {"llama.attention.causal"}, "attention.causal", GgufValue::of_bool(false)),
      with("llama", unsupported, {"llama.attention.scale", "0.1"}, "attention.scale", GgufValue::of_f32(0.1f)),
      with("gemma", unsupported, {"gemma.final_logit_softcapping", "30"}, "final_logit_softcapping",
           GgufValue::of_f32(30)),
      with("llama", format, {"llama.attention.layer_norm_rms_epsilon"}, "attention.layer_norm_rms_epsilon",
           GgufValue::of_f32(std::numeric_limits<float>::quiet_NaN())),
      with("llama", format, {"llama.attention.layer_norm_rms_epsilon", "above 0"}, "attention.layer_norm_rms_epsilon",
           GgufValue::of_f32(0)),
      with("llama", format, {"llama.rope.freq_base", "above 1"}, "rope.freq_base", GgufValue::of_f32(1)),
      with("phi2", format, {"phi2.rope.dimension_count", "3"}, "rope.dimension_count", GgufValue::of_u32(3)),
      with("phi2", format, {"phi2.rope.dimension_count", "6"}, "rope.dimension_count", GgufValue::of_u32(6)),
      with("llama", unsupported, {"llama.rope.scaling.type", "'ntk'", "yarn"}, "rope.scaling.type",
           GgufValue::of_text("ntk")),
      with("llama", format, {"llama.rope.scaling.factor", "-2"}, "rope.scaling.factor", GgufValue::of_f32(-2)),
      with("llama", unsupported, {"llama.rope.scaling.attn_factor"}, "rope.scaling.attn_factor", GgufValue::of_f32(1.2f)),
      {"llama", mismatch, {"rope_freqs.weight", "2 numbers"},
       [](Outline& o) { o.add("rope_freqs.weight", std::vector<float>{1, 1, 1}); }},
      {"llama", format, {"rope_freqs.weight", "0"},
       [](Outline& o) { o.add("rope_freqs.weight", std::vector<float>{1, 0}); }},
      {"llama", unsupported, {"yarn", "factors"},
       [](Outline& o) {
         o.set("rope.scaling.type", GgufValue::of_text("yarn"));
         o.add("rope_freqs.weight", std::vector<float>{1, 2});
       }},
      {"llama", mismatch, {"blk.0.ffn_up.weight"}, [](Outline& o) { o.remove("blk.0.ffn_up.weight"); }},
      {"llama", mismatch, {"states 2 layers", "blk.2.attn_norm.weight"},
       [](Outline& o) { o.add("blk.2.attn_norm.weight", std::vector<int64_t>{16}); }},
      {"llama", unsupported, {"blk.0.ffn_gate_inp.weight", "experts"},
       [](Outline& o) { o.add("blk.0.ffn_gate_inp.weight", std::vector<int64_t>{4, 16}); }},
  };
  for (const Refusal& refusal : table) {
    SCOPED_TRACE(refusal.words.back());
    Outline outline = outline_of(refusal.architecture);
    refusal.spoil(outline);
    expect_error(refusal.code, refusal.words, [&] { Opened(outline).model(); });
  }
}

// Whatever the metadata says, the file is described or refused.
TEST(Gguf, RandomMetadataNeverTripsADefect) {
  RandomStream random(7, RandomStage::kDemoModel);
  const auto below = [&](size_t count) { return static_cast<size_t>(random.next_u32()) % count; };
  const std::vector<std::string> further{"attention.key_length",
                                         "attention.value_length",
                                         "rope.dimension_count",
                                         "rope.freq_base",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scaling.attn_factor",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.yarn_beta_fast",
                                         "attention.sliding_window",
                                         "expert_count"};
  const auto value = [&]() -> GgufValue {
    const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 16, 24, 255, 1000003, 0x7fffffff, 0x80000000, 0xffffffff};
    const float reals[] = {
        0, 1, -1, 1e-30f, 3e38f, 0.3f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
    const char* texts[] = {"", "yarn", "linear", "longrope", "none"};
    const auto whole = [&] { return numbers[below(std::size(numbers))]; };
    switch (below(7)) {
      case 0:
        return GgufValue::of_i32(static_cast<int32_t>(whole()));
      case 1:
        return GgufValue::of_u64(uint64_t{whole()} << below(33));
      case 2:
        return GgufValue::of_f32(reals[below(std::size(reals))]);
      case 3:
        return GgufValue::of_text(texts[below(std::size(texts))]);
      case 4:
        return GgufValue::of_u32s(std::vector<uint32_t>(below(4), whole()));
      case 5:
        return GgufValue::of_bool(below(2) == 0);
      default:
        return GgufValue::of_u32(whole());
    }
  };
  size_t described = 0, refused = 0;
  for (const std::string& architecture : kArchitectures) {
    for (int round = 0; round < 60; ++round) {
      Outline outline = outline_of(architecture);
      if (below(2) == 0) {
        outline.add("rope_freqs.weight", std::vector<float>{1, 2});
        outline.add("rope_factors_long.weight", std::vector<float>{1, 2});
        outline.add("rope_factors_short.weight", std::vector<float>{1, 2});
      }
      const size_t changes = 1 + below(3);
      for (size_t i = 0; i < changes; ++i) {
        const auto& items = outline.metadata.items();
        const size_t at = 1 + below(items.size() - 1 + further.size());
        outline.metadata.set(at < items.size() ? items[at].key : architecture + "." + further[at - items.size()],
                             value());
      }
      const Opened opened(outline);
      try {
        describe_transformer(opened.checkpoint(), opened.model());
        ++described;
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << architecture << ": " << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(described, 30u);
  EXPECT_GT(refused, 100u);
}

// ---- Quantised matrices as numbers ----

TEST(Gguf, QuantisedRowsAreReadAsNumbers) {
  RandomStream random(9, RandomStage::kDemoModel);
  for (const Dtype dtype : {Dtype::kQ8_0, Dtype::kQ4_0, Dtype::kQ6K}) {
    SCOPED_TRACE(dtype_name(dtype));
    const TemporaryFolder folder;
    TensorSpec spec{"blk.0.ffn_up.weight", dtype, {6, 512}};
    std::string bytes(spec.size_bytes(), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next_u32());
    const size_t block = dtype_block_bytes(dtype), scale = dtype == Dtype::kQ6K ? block - 2 : 0;
    for (size_t at = 0; at < bytes.size(); at += block) {
      bytes[at + scale] = static_cast<char>(at);
      bytes[at + scale + 1] = 0x2c;  // halves about 0.06
    }
    GgufMetadata metadata;
    metadata.set("general.architecture", GgufValue::of_text("llama"));
    const auto write = [&](const char* name) {
      GgufWriter writer(folder / name, metadata, {spec});
      writer.append(std::as_bytes(std::span(bytes)));
      writer.finish();
    };
    write("good.gguf");
    const Checkpoint checkpoint(folder / "good.gguf");
    std::vector<float> all(6 * 512), part(3 * 512);
    widen(reinterpret_cast<const std::byte*>(bytes.data()), dtype, all.size(), all.data());
    read_matrix<float>(checkpoint, {spec.name, 2, 3, 512, false}, part);  // of a tensor that stacks several
    EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 2 * 512));
    const std::vector<double> norms = column_norms(checkpoint, {spec.name, 0, 6, 512, false});
    double square = 0;
    for (size_t row = 0; row < 6; ++row)
      square += static_cast<double>(all[row * 512 + 7]) * static_cast<double>(all[row * 512 + 7]);
    EXPECT_NEAR(norms[7], std::sqrt(square), 1e-9);

    bytes[bytes.size() - block + scale + 1] = 0x7e;  // NaN
    write("bad.gguf");
    const Checkpoint damaged(folder / "bad.gguf");
    expect_error(ErrorCode::kNonFinite, {"bad.gguf", "blk.0.ffn_up.weight", "NaN"}, [&] {
      row_norms(damaged, {spec.name, 0, 6, 512, false});
    });
  }
}

TEST(Gguf, WhatTheForwardPassLacksIsNamed) {
  for (const char* name :
       {"blk.1.attn_q.weight", "output_norm.weight", "blk.0.attn_norm.weight", "token_embd.weight"}) {
    Outline outline = outline_of("llama");
    outline.remove(name);
    outline.number("vocab_size", 10);
    expect_error(ErrorCode::kMismatch, {"model.gguf", name}, [&] { Opened(outline).transformer(); });
  }
  Outline outline = outline_of("gpt2");
  outline.remove("position_embd.weight");
  expect_error(ErrorCode::kMismatch, {"position_embd.weight"}, [&] { Opened(outline).transformer(); });
}

}  // namespace
}  // namespace prunenet
