// Architectures that no golden folder holds: tiny random checkpoints, the engine against the plain forward pass.
// Each test also asks the plain pass what it would say without the setting in question: the models must tell them
// apart.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "gguf_model.h"
#include "golden_model.h"
#include "plain_forward.h"

using namespace prunenet;
using namespace prunenet::test;
using nlohmann::json;

namespace {

// f32 against f64 on logits of size 1 to 5: a few 1e-6 are rounding, a wrong formula shows from 1e-3 on.
constexpr double kTolerance = 2e-5;

double difference(std::span<const float> ours, const std::vector<double>& theirs) {
  if (ours.size() != theirs.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < theirs.size(); ++i) {
    const double apart = std::abs(static_cast<double>(ours[i]) - theirs[i]);
    largest = std::isnan(apart) ? std::numeric_limits<double>::infinity() : std::max(largest, apart);
  }
  return largest;
}

double difference(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) largest = std::max(largest, std::abs(a[i][j] - b[i][j]));
  }
  return largest;
}

class Variant {
 public:
  explicit Variant(const json& config) : config_(config) { config_["vocab_size"] = kVocab; }
  static constexpr int64_t kVocab = 40, kHidden = 32;

  // Matrices in +-0.3, so that attention is far from uniform at width 32; norm weights about 1; biases in +-0.3.
  void tensor(const std::string& name, const std::vector<int64_t>& shape) {
    PlainTensor tensor{shape, {}};
    int64_t elements = 1;
    for (int64_t size : shape) elements *= size;
    const double centre = shape.size() == 1 && name.ends_with(".weight") ? 1 : 0;
    RandomStream random(11, RandomStage::kDemoModel, static_cast<uint32_t>(tensors_.size()));
    for (int64_t i = 0; i < elements; ++i)
      tensor.values.push_back(static_cast<float>(centre + random.next_uniform(-0.3, 0.3)));
    tensors_[name] = std::move(tensor);
  }
  void linear(const std::string& name, int64_t out, int64_t in, bool bias = false) {
    tensor(name + ".weight", {out, in});
    if (bias) tensor(name + ".bias", {out});
  }
  void norm(const std::string& name, int64_t size = kHidden, bool bias = true) {
    tensor(name + ".weight", {size});
    if (bias) tensor(name + ".bias", {size});
  }

  static std::vector<TokenId> ids(size_t length) {
    std::vector<TokenId> ids;
    RandomStream random(5, RandomStage::kDemoText);
    for (size_t i = 0; i < length; ++i) ids.push_back(static_cast<TokenId>(random.next_u32() % kVocab));
    return ids;
  }

  // The engine agrees with the plain pass: a sequence at once, and the same sequence id by id from a third on.
  void expect_agreement(size_t length = 16) const { expect_agreement_when_written(config_, length); }

  // The same where config.json says it in other words.
  void expect_agreement_when_written(const json& written, size_t length = 16) const {
    const TemporaryFolder folder;
    write_bytes(folder / "config.json", written.dump());
    std::vector<TestTensor> tensors;
    for (const auto& [name, tensor] : tensors_) tensors.push_back(f32_tensor(name, tensor.shape, tensor.values));
    write_bytes(folder / "model.safetensors", safetensors_bytes(tensors));
    expect_agreement_of(folder.path(), length);
  }

  // The same as a GGUF file.
  void expect_agreement_as_gguf(size_t length = 16) const {
    const TemporaryFolder folder;
    gguf_of(config_, tensors_).write(folder / "model.gguf");
    expect_agreement_of(folder / "model.gguf", length);
  }

  void expect_agreement_of(const std::filesystem::path& model, size_t length) const {
    RunningModel running(model);
    const std::vector<TokenId> all = ids(length);
    const auto expected = plain_logits(config_, tensors_, all);
    const Logits logits = running.engine.logits(std::vector<std::vector<TokenId>>{all});
    ASSERT_EQ(logits.rows, static_cast<int64_t>(length));
    double largest = 0;
    for (size_t i = 0; i < length; ++i)
      largest = std::max(largest, difference(logits.row(static_cast<int64_t>(i)), expected[i]));
    testing::Test::RecordProperty("largest_difference", std::to_string(largest * 1e6) + "e-6");
    EXPECT_LE(largest, kTolerance);

    const auto opened = running.engine.open_session(1, static_cast<int64_t>(length));
    const auto third = static_cast<std::ptrdiff_t>(length / 3);
    std::vector<std::vector<TokenId>> next{{all.begin(), all.begin() + third}};
    for (size_t done = length / 3; done <= length; ++done) {
      EXPECT_LE(difference(opened->append(next).row(0), expected[done - 1]), kTolerance) << "after " << done << " ids";
      if (done < length) next = {{all[done]}};
    }
  }

  // With other settings the same weights say something else, so that agreement means that they were heeded.
  void expect_matters(const json& other_settings, size_t length = 16) const {
    json other = config_;
    other.update(other_settings);
    EXPECT_GT(difference(plain_logits(config_, tensors_, ids(length)), plain_logits(other, tensors_, ids(length))),
              1e-3)
        << other_settings;
  }

  // The config without `old_keys`, and with rope_parameters, as transformers writes it since version 5.
  json with_rope_parameters(const json& parameters, const std::vector<std::string>& old_keys) const {
    json written = config_;
    for (const std::string& key : old_keys) written.erase(key);
    written["rope_parameters"] = parameters;
    return written;
  }

 private:
  json config_;
  PlainTensors tensors_;
};

constexpr int64_t kHidden = Variant::kHidden, kVocab = Variant::kVocab;

std::string layer_name(const std::string& prefix, int64_t layer) {
  return prefix + std::to_string(layer) + ".";
}

// ---- OPT ----

Variant opt(const json& settings, int64_t embedding, bool final_norm) {
  json config{{"model_type", "opt"},
              {"architectures", {"OPTForCausalLM"}},
              {"hidden_size", kHidden},
              {"num_attention_heads", 4},
              {"num_hidden_layers", 3},
              {"ffn_dim", 48},
              {"word_embed_proj_dim", embedding},
              {"activation_function", "relu"},
              {"max_position_embeddings", 64}};
  config.update(settings);
  const bool bias = config.value("enable_bias", true), affine = config.value("layer_norm_elementwise_affine", true);
  Variant v(config);
  const std::string decoder = "model.decoder.";
  v.tensor(decoder + "embed_tokens.weight", {kVocab, embedding});
  v.tensor(decoder + "embed_positions.weight", {66, kHidden});
  if (embedding != kHidden) {
    v.linear(decoder + "project_in", kHidden, embedding);
    v.linear(decoder + "project_out", embedding, kHidden);
  }
  for (int64_t layer = 0; layer < 3; ++layer) {
    const std::string name = layer_name(decoder + "layers.", layer);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"})
      v.linear(name + "self_attn." + part, kHidden, kHidden, bias);
    v.linear(name + "fc1", 48, kHidden, bias);
    v.linear(name + "fc2", kHidden, 48, bias);
    if (affine) v.norm(name + "self_attn_layer_norm");
    if (affine) v.norm(name + "final_layer_norm");
  }
  if (final_norm && affine) v.norm(decoder + "final_layer_norm");
  return v;
}

TEST(Variants, OptWithNormsAfterAndProjectedEmbeddings) {
  const Variant v = opt({{"do_layer_norm_before", false}}, 20, false);
  v.expect_agreement();
  v.expect_matters({{"do_layer_norm_before", true}, {"_remove_final_layer_norm", true}});
}

TEST(Variants, OptWithNormsBeforeAndProjectedEmbeddings) {
  opt(json::object(), 20, true).expect_agreement();
}

TEST(Variants, OptWithoutFinalNorm) {
  opt({{"_remove_final_layer_norm", true}}, kHidden, false).expect_agreement();
}

TEST(Variants, OptWithAFinalNormThatItsConfigRemoves) {
  const Variant v = opt({{"_remove_final_layer_norm", true}}, kHidden, true);
  v.expect_agreement();
  v.expect_matters({{"_remove_final_layer_norm", false}});
}

TEST(Variants, OptWithoutBiases) {
  opt({{"enable_bias", false}, {"activation_function", "gelu"}}, kHidden, true).expect_agreement();
}

TEST(Variants, OptWithoutNormWeightsIsRefused) {
  const Variant v = opt({{"layer_norm_elementwise_affine", false}}, kHidden, true);
  expect_error(ErrorCode::kMismatch, {"layers.0.self_attn_layer_norm.weight"}, [&] { v.expect_agreement(); });
}

// ---- Falcon ----

Variant falcon(const json& settings, int64_t stacked_heads, const std::vector<std::string>& norms) {
  json config{{"model_type", "falcon"}, {"architectures", {"FalconForCausalLM"}},
              {"hidden_size", kHidden}, {"num_attention_heads", 4},
              {"num_hidden_layers", 2}, {"alibi", false},
              {"bias", false},          {"layer_norm_epsilon", 1e-5}};
  config.update(settings);
  const bool bias = config["bias"];
  const int64_t width = config.value("ffn_hidden_size", 4 * kHidden);
  Variant v(config);
  v.tensor("transformer.word_embeddings.weight", {kVocab, kHidden});
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = layer_name("transformer.h.", layer);
    for (const std::string& norm : norms) v.norm(name + norm);
    v.linear(name + "self_attention.query_key_value", stacked_heads * 8, kHidden, bias);
    v.linear(name + "self_attention.dense", kHidden, kHidden, bias);
    v.linear(name + "mlp.dense_h_to_4h", width, kHidden, bias);
    v.linear(name + "mlp.dense_4h_to_h", kHidden, width, bias);
  }
  v.norm("transformer.ln_f");
  if (!config.value("tie_word_embeddings", true)) v.linear("lm_head", kVocab, kHidden);
  return v;
}

TEST(Variants, FalconOfTheNewArchitectureWithTwoNorms) {
  const Variant v = falcon({{"new_decoder_architecture", true}, {"num_kv_heads", 2}}, 8, {"ln_attn", "ln_mlp"});
  v.expect_agreement();
  v.expect_agreement_as_gguf();
  v.expect_matters({{"rope_theta", 100}});
}

TEST(Variants, FalconOfTheNewArchitectureWithOneNorm) {
  const Variant v = falcon({{"new_decoder_architecture", true},
                            {"num_kv_heads", 2},
                            {"num_ln_in_parallel_attn", 1},
                            {"ffn_hidden_size", 48},
                            {"tie_word_embeddings", false},
                            {"rope_theta", 500042}},
                           8, {"input_layernorm"});
  v.expect_agreement();
  v.expect_agreement_as_gguf();
  v.expect_matters({{"rope_theta", 10000}});
}

TEST(Variants, FalconOneAfterTheOther) {
  const std::vector<std::string> norms{"input_layernorm", "post_attention_layernorm"};
  const json serial{{"new_decoder_architecture", false}, {"parallel_attn", false}, {"bias", true}};
  json grouped = serial, separate = serial;
  grouped["multi_query"] = true;
  separate["multi_query"] = false;
  const Variant v = falcon(grouped, 6, norms);
  v.expect_agreement();
  v.expect_matters({{"parallel_attn", true}});
  falcon(separate, 12, norms).expect_agreement();
}

// ---- GPT-NeoX ----

Variant neox(const json& settings) {
  json config{{"model_type", "gpt_neox"}, {"architectures", {"GPTNeoXForCausalLM"}},
              {"hidden_size", kHidden},   {"num_attention_heads", 4},
              {"num_hidden_layers", 2},   {"intermediate_size", 48},
              {"hidden_act", "gelu"},     {"rotary_emb_base", 1000},
              {"layer_norm_eps", 1e-5}};
  config.update(settings);
  Variant v(config);
  v.tensor("gpt_neox.embed_in.weight", {kVocab, kHidden});
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = layer_name("gpt_neox.layers.", layer);
    v.norm(name + "input_layernorm");
    v.norm(name + "post_attention_layernorm");
    v.linear(name + "attention.query_key_value", 3 * kHidden, kHidden, true);
    v.linear(name + "attention.dense", kHidden, kHidden, true);
    v.linear(name + "mlp.dense_h_to_4h", 48, kHidden, true);
    v.linear(name + "mlp.dense_4h_to_h", kHidden, 48, true);
  }
  v.norm("gpt_neox.final_layer_norm");
  v.linear("embed_out", kVocab, kHidden);
  return v;
}

TEST(Variants, NeoxOneAfterTheOther) {
  for (const double turned : {1.0, 0.5}) {
    const Variant v = neox({{"use_parallel_residual", false}, {"rotary_pct", turned}});
    v.expect_agreement();
    v.expect_agreement_as_gguf();
    v.expect_agreement_when_written(
        v.with_rope_parameters({{"rope_type", "default"}, {"rope_theta", 1000}, {"partial_rotary_factor", turned}},
                               {"rotary_pct", "rotary_emb_base"}));
    v.expect_matters({{"use_parallel_residual", true}});
    v.expect_matters({{"rotary_pct", 0.25}});
    v.expect_matters({{"rotary_emb_base", 10000}});
  }
}

TEST(Variants, NeoxTurnedWholeAndHalf) {
  for (const double turned : {1.0, 0.5}) {
    const Variant v = neox({{"rotary_pct", turned}});
    v.expect_agreement();
    v.expect_agreement_as_gguf();
  }
}

// ---- GPT-2 ----

Variant gpt2(const json& settings) {
  json config{{"model_type", "gpt2"}, {"architectures", {"GPT2LMHeadModel"}},
              {"n_embd", kHidden},    {"n_head", 4},
              {"n_layer", 3},         {"n_positions", 64},
              {"n_ctx", 64},          {"activation_function", "gelu_new"}};
  config.update(settings);
  const int64_t width = config.value("n_inner", 4 * kHidden);
  Variant v(config);
  v.tensor("transformer.wte.weight", {kVocab, kHidden});
  v.tensor("transformer.wpe.weight", {64, kHidden});
  const auto conv1d = [&](const std::string& name, int64_t in, int64_t out) {
    v.tensor(name + ".weight", {in, out});
    v.tensor(name + ".bias", {out});
  };
  for (int64_t layer = 0; layer < 3; ++layer) {
    const std::string name = layer_name("transformer.h.", layer);
    v.norm(name + "ln_1");
    v.norm(name + "ln_2");
    conv1d(name + "attn.c_attn", kHidden, 3 * kHidden);
    conv1d(name + "attn.c_proj", kHidden, kHidden);
    conv1d(name + "mlp.c_fc", kHidden, width);
    conv1d(name + "mlp.c_proj", width, kHidden);
  }
  v.norm("transformer.ln_f");
  return v;
}

TEST(Variants, Gpt2WithAttentionScaledByLayer) {
  const Variant v = gpt2({{"scale_attn_by_inverse_layer_idx", true}, {"reorder_and_upcast_attn", true}});
  v.expect_agreement();
  v.expect_matters({{"scale_attn_by_inverse_layer_idx", false}});
}

TEST(Variants, Gpt2WithUnscaledAttention) {
  const Variant v = gpt2({{"scale_attn_weights", false}});
  v.expect_agreement();
  v.expect_matters({{"scale_attn_weights", true}});
}

TEST(Variants, Gpt2WithItsOwnWidth) {
  const Variant v = gpt2({{"n_inner", 50}});
  v.expect_agreement();
  v.expect_agreement_as_gguf();
}

// ---- LLaMA and its likes, Phi ----

struct LayerSizes {
  int64_t heads = 4, kv_heads = 2, width = 48;
};

struct Biases {
  bool qkv = false, out = false, mlp = false;
};

Variant llama(const json& settings, const std::vector<LayerSizes>& layers, int64_t head_dim, const Biases& biases,
              bool tied) {
  json config{{"hidden_size", kHidden},
              {"num_attention_heads", layers[0].heads},
              {"num_key_value_heads", layers[0].kv_heads},
              {"rms_norm_eps", 1e-5},
              {"num_hidden_layers", layers.size()},
              {"intermediate_size", layers[0].width},
              {"max_position_embeddings", 64},
              {"tie_word_embeddings", tied}};
  config.update(settings);
  Variant v(config);
  v.tensor("model.embed_tokens.weight", {kVocab, kHidden});
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const std::string name = layer_name("model.layers.", static_cast<int64_t>(layer));
    const auto& [heads, kv_heads, width] = layers[layer];
    v.norm(name + "input_layernorm", kHidden, false);
    v.norm(name + "post_attention_layernorm", kHidden, false);
    if (config["model_type"] == "phi3") {
      v.linear(name + "self_attn.qkv_proj", (heads + 2 * kv_heads) * head_dim, kHidden);
      v.linear(name + "mlp.gate_up_proj", 2 * width, kHidden);
    } else {
      v.linear(name + "self_attn.q_proj", heads * head_dim, kHidden, biases.qkv);
      v.linear(name + "self_attn.k_proj", kv_heads * head_dim, kHidden, biases.qkv);
      v.linear(name + "self_attn.v_proj", kv_heads * head_dim, kHidden, biases.qkv);
      v.linear(name + "mlp.gate_proj", width, kHidden, biases.mlp);
      v.linear(name + "mlp.up_proj", width, kHidden, biases.mlp);
    }
    v.linear(name + "self_attn.o_proj", kHidden, heads * head_dim, biases.out);
    v.linear(name + "mlp.down_proj", kHidden, width, biases.mlp);
  }
  v.norm("model.norm", kHidden, false);
  if (!tied) v.linear("lm_head", kVocab, kHidden);
  return v;
}

TEST(Variants, QwenWithAWindowInItsUpperLayers) {
  const Variant v = llama({{"model_type", "qwen2"},
                           {"architectures", {"Qwen2ForCausalLM"}},
                           {"use_sliding_window", true},
                           {"max_window_layers", 1},
                           {"sliding_window", 5},
                           {"rope_theta", 1000000}},
                          {{}, {}, {}}, 8, {.qkv = true}, true);
  v.expect_agreement();
  v.expect_matters({{"sliding_window", 4}});
  v.expect_matters({{"sliding_window", 6}});
  v.expect_matters({{"max_window_layers", 0}});
  v.expect_matters({{"max_window_layers", 2}});
  v.expect_matters({{"use_sliding_window", false}});
}

TEST(Variants, QwenWithAWindowAndTheDefaultOfItsFirstLayer) {
  const Variant v = llama({{"model_type", "qwen2"},
                           {"architectures", {"Qwen2ForCausalLM"}},
                           {"use_sliding_window", true},
                           {"sliding_window", 5}},
                          {{}, {}}, 8, {.qkv = true}, true);
  v.expect_agreement();  // the 29th of the layers, where max_window_layers is not stated
  v.expect_matters({{"max_window_layers", 0}});
}

TEST(Variants, LlamaWithScaledRotaryBiasesAndItsOwnHeadSize) {
  // Of the 6 angles of a head of 12, with these bounds, some are kept, some divided and one lies between.
  const json scaling{{"rope_type", "llama3"},
                     {"factor", 8.0},
                     {"low_freq_factor", 1.0},
                     {"high_freq_factor", 4.0},
                     {"original_max_position_embeddings", 32}};
  json unscaled = scaling;
  unscaled["factor"] = 1.0;
  json narrower = scaling;
  narrower["high_freq_factor"] = 3.0;
  const Variant v = llama({{"model_type", "llama"},
                           {"architectures", {"LlamaForCausalLM"}},
                           {"head_dim", 12},
                           {"attention_bias", true},
                           {"mlp_bias", true},
                           {"rope_theta", 100.0},
                           {"rope_scaling", scaling}},
                          {{}, {}}, 12, {.qkv = true, .out = true, .mlp = true}, false);
  v.expect_agreement(20);
  v.expect_agreement_as_gguf(20);  // factors that are not those of Meta's models
  json parameters = scaling;
  parameters["rope_theta"] = 100.0;
  v.expect_agreement_when_written(v.with_rope_parameters(parameters, {"rope_scaling", "rope_theta"}), 20);
  v.expect_matters({{"rope_scaling", unscaled}}, 20);
  v.expect_matters({{"rope_scaling", narrower}}, 20);
}

TEST(Variants, LlamaStretchedAsMetaDoesIt) {
  const json scaling{{"rope_type", "llama3"},
                     {"factor", 8.0},
                     {"low_freq_factor", 1.0},
                     {"high_freq_factor", 4.0},
                     {"original_max_position_embeddings", 8192}};
  const Variant v = llama({{"model_type", "llama"},
                           {"architectures", {"LlamaForCausalLM"}},
                           {"rope_theta", 500000.0},
                           {"rope_scaling", scaling}},
                          {{}, {}}, 8, {}, true);
  v.expect_agreement();
  v.expect_agreement_as_gguf();
}

TEST(Variants, GemmaWithItsOwnHeadSizeAndOneKeyHead) {
  const Variant v = llama(
      {{"model_type", "gemma"}, {"architectures", {"GemmaForCausalLM"}}, {"head_dim", 12}, {"hidden_act", "gelu"}},
      {{4, 1, 48}, {4, 1, 48}}, 12, {}, true);
  v.expect_agreement();
  v.expect_agreement_as_gguf();
}

TEST(Variants, Phi3WithTwoSetsOfAnglesAndAWindow) {
  const json scaling{
      {"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2, 1.5}}, {"long_factor", {1.5, 2.0, 3.5, 6.0}}};
  const Variant v = llama({{"model_type", "phi3"},
                           {"architectures", {"Phi3ForCausalLM"}},
                           {"original_max_position_embeddings", 12},
                           {"sliding_window", 7},
                           {"rope_scaling", scaling}},
                          {{}, {}}, 8, {}, false);
  v.expect_agreement(12);  // short: as long as the model was trained for
  // Long. A session turns by the angles of its capacity from the first id on; generation in transformers changes over
  // where the sequence grows past the original context.
  v.expect_agreement(13);
  v.expect_agreement(20);
  for (const size_t length : {12, 13, 20}) v.expect_agreement_as_gguf(length);
  json parameters = scaling;
  parameters.erase("type");
  parameters.update({{"rope_type", "longrope"}, {"rope_theta", 10000.0}, {"original_max_position_embeddings", 12}});
  for (const size_t length : {12, 20})
    v.expect_agreement_when_written(v.with_rope_parameters(parameters, {"rope_scaling"}), length);
  v.expect_matters({{"original_max_position_embeddings", 11}}, 12);
  v.expect_matters({{"max_position_embeddings", 32}});
  v.expect_matters({{"sliding_window", 8}});
}

TEST(Variants, Phi3TurnedInPart) {
  const Variant v = llama({{"model_type", "phi3"},
                           {"architectures", {"Phi3ForCausalLM"}},
                           {"original_max_position_embeddings", 64},
                           {"partial_rotary_factor", 0.75}},
                          {{2, 1, 48}, {2, 1, 48}}, 16, {}, true);
  v.expect_agreement();
  v.expect_agreement_as_gguf();
  v.expect_agreement_when_written(v.with_rope_parameters(
      {{"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", 0.75}}, {"partial_rotary_factor"}));
  v.expect_matters({{"partial_rotary_factor", 1.0}});
}

TEST(Variants, LlamaWithLayersOfDifferentSizes) {
  const Variant v = llama({{"model_type", "llama"}, {"architectures", {"LlamaForCausalLM"}}, {"head_dim", 8}},
                          {{4, 2, 48}, {3, 1, 20}, {2, 2, 1}}, 8, {}, false);
  v.expect_agreement();
  v.expect_agreement_as_gguf();
}

TEST(Variants, PhiWithNormsOnQueriesAndKeys) {
  const json config{{"model_type", "phi"},      {"architectures", {"PhiForCausalLM"}},
                    {"hidden_size", kHidden},   {"num_attention_heads", 4},
                    {"num_key_value_heads", 2}, {"num_hidden_layers", 2},
                    {"intermediate_size", 48},  {"hidden_act", "gelu_new"},
                    {"qk_layernorm", true},     {"partial_rotary_factor", 0.5},
                    {"layer_norm_eps", 1e-5}};
  Variant v(config);
  v.tensor("model.embed_tokens.weight", {kVocab, kHidden});
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = layer_name("model.layers.", layer);
    v.norm(name + "input_layernorm");
    v.linear(name + "self_attn.q_proj", kHidden, kHidden, true);
    v.linear(name + "self_attn.k_proj", 16, kHidden, true);
    v.linear(name + "self_attn.v_proj", 16, kHidden, true);
    v.linear(name + "self_attn.dense", kHidden, kHidden, true);
    v.norm(name + "self_attn.q_layernorm", 8);
    v.norm(name + "self_attn.k_layernorm", 8);
    v.linear(name + "mlp.fc1", 48, kHidden, true);
    v.linear(name + "mlp.fc2", kHidden, 48, true);
  }
  v.norm("model.final_layernorm");
  v.linear("lm_head", kVocab, kHidden, true);
  v.expect_agreement();
  v.expect_agreement_when_written(v.with_rope_parameters(
      {{"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", 0.5}}, {"partial_rotary_factor"}));
  v.expect_matters({{"qk_layernorm", false}});
}

}  // namespace
