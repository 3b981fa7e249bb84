// From the metadata of a GGUF file to the words of config.json.
#include "model/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "model/deci.h"
#include "model/gguf_reader.h"
#include "model/gguf_rope.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostDeciHidden = 1'000'000;  // ffn_mult, of 6 decimals, is exact up to there

bool stores(const Checkpoint& checkpoint, const std::string& tensor) {
  return checkpoint.find(tensor) != nullptr;
}

// What would change the arithmetic and has no place in a config of these families.
void refuse_what_is_not_known(const Checkpoint& checkpoint, const GgufReader& reader, const GgufSizes& sizes) {
  if (reader.find_size("expert_count", 0).value_or(0) > 0) {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' states a mixture of experts, which is not supported yet",
         reader.key("expert_count"));
  }
  if (!reader.flag("attention.causal", true)) {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is false: only causal attention is supported",
         reader.key("attention.causal"));
  }
  for (std::string_view name : {"attn_logit_softcapping", "final_logit_softcapping", "attention.clamp_kqv",
                                "attention.max_alibi_bias", "logit_scale", "embedding_scale", "residual_scale"}) {
    const double value = reader.find_number(name).value_or(0);
    if (value == 0) continue;
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}, which models of this architecture do not have",
         reader.key(name), value);
  }
  const double usual = 1 / std::sqrt(static_cast<double>(sizes.head_dim));
  const double scale = reader.find_number("attention.scale").value_or(0);
  if (scale != 0 && std::abs(scale - usual) > 1e-6 * usual) {
    fail(ErrorCode::kUnsupported, reader.where(),
         "'{}' is {}: only scores divided by the root of the head size are "
         "supported",
         reader.key("attention.scale"), scale);
  }
  if (stores(checkpoint, "blk.0.ffn_gate_inp.weight")) {
    fail(ErrorCode::kUnsupported, reader.where(),
         "tensor 'blk.0.ffn_gate_inp.weight' chooses among experts, which is not supported yet");
  }
}

void require_whole_heads_turn(const GgufReader& reader, const GgufSizes& sizes) {
  if (sizes.rotated == sizes.head_dim) return;
  fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}: in this architecture all {} numbers of a head turn",
       reader.key("rope.dimension_count"), sizes.rotated, sizes.head_dim);
}

// The type of most matrix elements, as torch names it; what is quantised would be decoded to halves.
std::string torch_dtype(const Checkpoint& checkpoint) {
  std::map<std::string, double> elements{{"float32", 0}};
  for (const auto& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    if (spec.shape.size() < 2) continue;
    const char* name = spec.dtype == Dtype::kF16        ? "float16"
                       : spec.dtype == Dtype::kBf16     ? "bfloat16"
                       : spec.dtype == Dtype::kF64      ? "float64"
                       : dtype_is_quantised(spec.dtype) ? "float16"
                                                        : "float32";
    elements[name] += static_cast<double>(spec.num_elements());
  }
  return std::max_element(elements.begin(), elements.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// Ids of special tokens; what is no id of the vocabulary stands for none.
void add_tokens(const Checkpoint& checkpoint, const GgufSizes& sizes, Json& config) {
  const GgufMetadata& metadata = checkpoint.gguf()->metadata();
  const std::string where = checkpoint.config_where();
  const auto id = [&](const char* key) -> std::optional<int64_t> {
    const auto value = metadata.integer(key, where);
    return value && *value >= 0 && *value < sizes.vocab ? value : std::nullopt;
  };
  // llama.cpp takes the ids of SentencePiece's own models where none are stated.
  const bool pieces = metadata.text("tokenizer.ggml.model", where) == "llama";
  const auto usual = [&](const char* key, int64_t fallback) -> std::optional<int64_t> {
    if (pieces && !metadata.has(key) && fallback < sizes.vocab) return fallback;
    return id(key);
  };
  if (const auto bos = usual("tokenizer.ggml.bos_token_id", 1)) config["bos_token_id"] = *bos;
  Json ends = Json::array();
  for (const auto& end : {usual("tokenizer.ggml.eos_token_id", 2), id("tokenizer.ggml.eot_token_id"), id("tokenizer.ggml.eom_token_id")}) {
    if (end && std::find(ends.begin(), ends.end(), Json(*end)) == ends.end()) ends.push_back(*end);
  }
  if (ends.size() == 1) config["eos_token_id"] = ends.front();
  if (ends.size() > 1) config["eos_token_id"] = ends;
  if (const auto padding = id("tokenizer.ggml.padding_token_id")) config["pad_token_id"] = *padding;
}

// Nemotron-NAS spells an ordinary layer so.
Json block_configs(const GgufSizes& sizes) {
  Json blocks = Json::array();
  for (size_t layer = 0; layer < sizes.heads.size(); ++layer) {
    Json block{{"attention",
                {{"n_heads_in_group", sizes.heads[layer] / sizes.kv_heads[layer]},
                 {"no_op", false},
                 {"num_sink_tokens", nullptr},
                 {"replace_with_linear", false},
                 {"sparsify", nullptr},
                 {"unshifted_sink", false},
                 {"use_prefill_window_in_sink_attention", false},
                 {"window_length", nullptr}}},
               {"ffn", {{"no_op", false}, {"replace_with_linear", false}, {"sparsify", nullptr}}}};
    // DeciLM states one number of heads, and widths that are multiples of 256.
    if (sizes.heads[layer] != sizes.heads.front()) block["attention"]["num_attention_heads"] = sizes.heads[layer];
    const int64_t width = sizes.widths[layer];
    if (width % kDeciWidthMultiple == 0 && sizes.hidden <= kMostDeciHidden) {
      block["ffn"]["ffn_mult"] = deci_ffn_mult(width, sizes.hidden);
    } else {
      block["ffn"]["intermediate_size"] = width;
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

struct Translation {
  const Checkpoint& checkpoint;
  const GgufReader& reader;
  const GgufSizes& sizes;
  double norm_epsilon() const { return reader.positive("attention.layer_norm_epsilon"); }
  double rms_epsilon() const { return reader.positive("attention.layer_norm_rms_epsilon"); }
  double theta() const { return gguf_rope_theta(reader); }
  std::optional<int64_t> window() const {
    const auto window = reader.find_size("attention.sliding_window", 0);
    return window && *window > 0 ? window : std::nullopt;
  }

  // The words of most families.
  Json usual(const char* model_type, const char* class_name, const char* activation) const {
    return {{"model_type", model_type},
            {"architectures", Json::array({class_name})},
            {"hidden_size", sizes.hidden},
            {"intermediate_size", sizes.widths.front()},
            {"num_hidden_layers", sizes.layers},
            {"num_attention_heads", sizes.heads.front()},
            {"num_key_value_heads", sizes.kv_heads.front()},
            {"hidden_act", activation},
            {"max_position_embeddings", sizes.context},
            {"rope_theta", theta()},
            {"rope_scaling", gguf_rope_scaling(checkpoint, reader, sizes)},
            {"tie_word_embeddings", !stores(checkpoint, "output.weight")},
            {"vocab_size", sizes.vocab}};
  }

  void state_head_dim(Json& config) const {
    if (reader.has("attention.key_length") || sizes.head_dim * sizes.heads.front() != sizes.hidden)
      config["head_dim"] = sizes.head_dim;
  }

  Json llama() const {
    require_whole_heads_turn(reader, sizes);
    Json config = usual("llama", "LlamaForCausalLM", "silu");
    config["rms_norm_eps"] = rms_epsilon();
    config["attention_bias"] = stores(checkpoint, "blk.0.attn_q.bias") || stores(checkpoint, "blk.0.attn_qkv.bias");
    config["mlp_bias"] = stores(checkpoint, "blk.0.ffn_up.bias");
    state_head_dim(config);
    const bool layers_differ = reader.architecture() == "deci" || !sizes.uniform();
    if (window() && !layers_differ) {
      config["model_type"] = "mistral";
      config["architectures"] = Json::array({"MistralForCausalLM"});
      config["sliding_window"] = *window();
      config.erase("attention_bias");
      config.erase("mlp_bias");
    } else if (layers_differ) {
      config["model_type"] = "nemotron-nas";
      config["architectures"] = Json::array({"DeciLMForCausalLM"});
      config["intermediate_size"] = nullptr;
      config["num_key_value_heads"] = nullptr;
      if (window()) config["sliding_window"] = *window();
    }
    return config;
  }

  Json qwen2() const {
    require_whole_heads_turn(reader, sizes);
    Json config = usual("qwen2", "Qwen2ForCausalLM", "silu");
    config["rms_norm_eps"] = rms_epsilon();
    config["use_sliding_window"] = false;
    state_head_dim(config);
    return config;
  }

  Json phi2() const {
    Json config = usual("phi", "PhiForCausalLM", "gelu_new");
    config["layer_norm_eps"] = norm_epsilon();
    config["partial_rotary_factor"] = gguf_rotary_fraction(sizes);
    config["qk_layernorm"] = false;
    state_head_dim(config);
    return config;
  }

  Json phi3() const {
    Json config = usual("phi3", "Phi3ForCausalLM", "silu");
    config["rms_norm_eps"] = rms_epsilon();
    config["original_max_position_embeddings"] =
        reader.find_size("rope.scaling.original_context_length").value_or(sizes.context);
    config["sliding_window"] = window() ? Json(*window()) : Json(nullptr);
    if (sizes.rotated != sizes.head_dim) config["partial_rotary_factor"] = gguf_rotary_fraction(sizes);
    state_head_dim(config);
    return config;
  }

  Json falcon() const {
    require_whole_heads_turn(reader, sizes);
    const bool two_norms = stores(checkpoint, "blk.0.attn_norm_2.weight"), single = sizes.kv_heads.front() == 1;
    Json config = usual("falcon", "FalconForCausalLM", "gelu");
    config["ffn_hidden_size"] = sizes.widths.front();
    config["num_kv_heads"] = sizes.kv_heads.front();
    config["layer_norm_epsilon"] = norm_epsilon();
    config["activation"] = "gelu";
    config["alibi"] = false;
    config["bias"] = false;
    config["multi_query"] = true;
    config["new_decoder_architecture"] = two_norms || !single;
    config["parallel_attn"] = true;
    if (!two_norms && !single) config["num_ln_in_parallel_attn"] = 1;
    for (const char* key : {"intermediate_size", "num_key_value_heads", "hidden_act"}) config.erase(key);
    state_head_dim(config);
    return config;
  }

  Json gptneox() const {
    Json config = usual("gpt_neox", "GPTNeoXForCausalLM", "gelu");
    config["layer_norm_eps"] = norm_epsilon();
    config["rotary_emb_base"] = theta();
    config["rotary_pct"] = gguf_rotary_fraction(sizes);
    if (!reader.has("use_parallel_residual"))
      fail(ErrorCode::kFormat, reader.where(), "lacks '{}'", reader.key("use_parallel_residual"));
    config["use_parallel_residual"] = reader.flag("use_parallel_residual", true);
    config["attention_bias"] = stores(checkpoint, "blk.0.attn_qkv.bias") || stores(checkpoint, "blk.0.attn_q.bias");
    for (const char* key : {"num_key_value_heads", "rope_theta"}) config.erase(key);
    state_head_dim(config);
    return config;
  }

  Json gpt2() const {
    const int64_t width = sizes.widths.front();
    return {{"model_type", "gpt2"},
            {"architectures", Json::array({"GPT2LMHeadModel"})},
            {"n_embd", sizes.hidden},
            {"n_inner", width == 4 * sizes.hidden ? Json(nullptr) : Json(width)},
            {"n_layer", sizes.layers},
            {"n_head", sizes.heads.front()},
            {"n_positions", sizes.context},
            {"activation_function", "gelu_new"},
            {"layer_norm_epsilon", norm_epsilon()},
            {"scale_attn_weights", true},
            {"scale_attn_by_inverse_layer_idx", false},
            {"tie_word_embeddings", !stores(checkpoint, "output.weight")},
            {"vocab_size", sizes.vocab}};
  }

  Json gemma() const {
    require_whole_heads_turn(reader, sizes);
    Json config = usual("gemma", "GemmaForCausalLM", "gelu_pytorch_tanh");
    config["hidden_activation"] = "gelu_pytorch_tanh";
    config["head_dim"] = sizes.head_dim;
    config["rms_norm_eps"] = rms_epsilon();
    config["attention_bias"] = false;
    config["tie_word_embeddings"] = true;
    return config;
  }
};

using Translate = Json (Translation::*)() const;
constexpr std::pair<std::string_view, Translate> kTranslations[] = {
    {"llama", &Translation::llama},     {"deci", &Translation::llama}, {"qwen2", &Translation::qwen2},
    {"phi2", &Translation::phi2},       {"phi3", &Translation::phi3},  {"falcon", &Translation::falcon},
    {"gptneox", &Translation::gptneox}, {"gpt2", &Translation::gpt2},  {"gemma", &Translation::gemma}};

Translate find_translation(const std::string& architecture, const std::string& where) {
  std::string known;
  for (const auto& [name, translate] : kTranslations) {
    if (name == architecture) return translate;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail(ErrorCode::kUnsupported, where, "architecture '{}' is not supported yet; supported are {}", architecture, known);
}

}  // namespace

std::string config_from_gguf(const Checkpoint& checkpoint) {
  PRUNENET_CHECK(checkpoint.gguf() != nullptr);
  const GgufMetadata& metadata = checkpoint.gguf()->metadata();
  const std::string where = checkpoint.config_where();
  const auto architecture = metadata.text("general.architecture", where);
  if (!architecture) fail(ErrorCode::kFormat, where, "lacks 'general.architecture'");
  const Translate translate = find_translation(*architecture, where);
  const GgufReader reader(checkpoint, *architecture);
  const GgufSizes sizes = read_gguf_sizes(checkpoint, reader);
  refuse_what_is_not_known(checkpoint, reader, sizes);
  const Translation translation{checkpoint, reader, sizes};
  Json config = (translation.*translate)();
  if (*architecture == "deci" || !sizes.uniform()) config["block_configs"] = block_configs(sizes);
  add_tokens(checkpoint, sizes, config);
  config["torch_dtype"] = torch_dtype(checkpoint);
  config[kGgufArchitectureKey] = *architecture;
  return config.dump(2) + "\n";
}

std::string config_of(const Checkpoint& checkpoint) {
  return checkpoint.gguf() == nullptr ? checkpoint.config_text() : config_from_gguf(checkpoint);
}

}  // namespace prunenet
