// The metadata of GGUF files in the words of config.json.
#include "gguf_outline.h"
#include "model/gguf_reader.h"

namespace prunenet {
namespace {

using nlohmann::json;
using namespace test;

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

}  // namespace
}  // namespace prunenet
