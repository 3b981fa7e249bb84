// From the metadata of a GGUF file to the words of config.json.
#include "model/gguf_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "model/deci.h"
#include "model/family.h"
#include "model/rotary.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1, kMaxLayers = 100'000;

// Numbers are stored as f32: the shortest decimal that gives this f32 is what the model's authors wrote.
double shortest(double value) {
  const float narrowed = static_cast<float>(value);
  if (!std::isfinite(value) || static_cast<double>(narrowed) != value) return value;
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, narrowed);
  double decimal = value;
  std::from_chars(text, end.ptr, decimal);
  return decimal;
}

// The metadata of one file, with the keys of its architecture.
class Reader {
 public:
  Reader(const Checkpoint& checkpoint, std::string architecture)
      : metadata_(checkpoint.gguf()->metadata()),
        where_(checkpoint.config_where()),
        architecture_(std::move(architecture)) {}

  const std::string& where() const { return where_; }
  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }
  bool has(std::string_view name) const { return metadata_.has(key(name)); }

  std::optional<int64_t> find_size(std::string_view name, int64_t least = 1) const {
    const auto value = metadata_.integer(key(name), where_);
    if (value) require_size(name, *value, least, kMaxSize);
    return value;
  }
  int64_t size(std::string_view name, int64_t most = kMaxSize) const {
    const auto value = find_size(name);
    if (!value) fail(ErrorCode::kFormat, where_, "lacks '{}'", key(name));
    require_size(name, *value, 1, most);
    return *value;
  }
  std::optional<double> find_number(std::string_view name) const {
    const auto value = metadata_.number(key(name), where_);
    if (!value) return std::nullopt;
    if (!std::isfinite(*value)) fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a number", key(name), *value);
    return shortest(*value);
  }
  double positive(std::string_view name) const {
    const auto value = find_number(name);
    if (!value) fail(ErrorCode::kFormat, where_, "lacks '{}'", key(name));
    if (!(*value > 0)) fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a number above 0", key(name), *value);
    return *value;
  }
  bool flag(std::string_view name, bool fallback) const { return metadata_.flag(key(name), where_).value_or(fallback); }
  std::optional<std::string> text(std::string_view name) const { return metadata_.text(key(name), where_); }

  /// A size of every layer: one number for all, or an array. Nothing where the key is absent.
  std::optional<std::vector<int64_t>> layer_sizes(std::string_view name, int64_t layers) const {
    const GgufValue* found = metadata_.find(key(name));
    if (found == nullptr) return std::nullopt;
    if (found->type != GgufType::kArray) return std::vector<int64_t>(static_cast<size_t>(layers), *find_size(name, 0));
    if (found->length() != static_cast<uint64_t>(layers)) {
      fail(ErrorCode::kMismatch, where_, "'{}' has {} entries for {} layers", key(name), found->length(), layers);
    }
    auto sizes = metadata_.integers(key(name), where_);
    for (int64_t size : *sizes) require_size(name, size, 0, kMaxSize);
    return sizes;
  }

 private:
  void require_size(std::string_view name, int64_t value, int64_t least, int64_t most) const {
    if (value >= least && value <= most) return;
    fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a whole number from {} to {}", key(name), value, least,
         most);
  }

  const GgufMetadata& metadata_;
  std::string where_, architecture_;
};

// What the architectures share, read once.
struct Sizes {
  int64_t layers = 0, hidden = 0, vocab = 0, context = 0, head_dim = 0, rotated = 0;
  std::vector<int64_t> heads, kv_heads, widths;

  bool uniform() const {
    const auto same = [](const std::vector<int64_t>& sizes) {
      return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == sizes.front(); });
    };
    return same(heads) && same(kv_heads) && same(widths);
  }
};

const TensorSpec* find_tensor(const Checkpoint& checkpoint, const std::string& name) {
  const Checkpoint::Entry* entry = checkpoint.find(name);
  return entry == nullptr ? nullptr : &entry->stored.spec;
}

bool stores(const Checkpoint& checkpoint, std::string_view name) {
  return find_tensor(checkpoint, std::string(name)) != nullptr;
}

int64_t vocabulary_size(const Checkpoint& checkpoint, const Reader& reader) {
  // The rows of the embedding are what runs; a vocabulary may be filled up.
  if (const TensorSpec* embedding = find_tensor(checkpoint, "token_embd.weight")) {
    if (embedding->shape.size() == 2 && embedding->shape[0] >= 1 && embedding->shape[0] <= kMaxSize)
      return embedding->shape[0];
  }
  const GgufValue* tokens = checkpoint.gguf()->metadata().find("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->length() >= 1 && tokens->length() <= static_cast<uint64_t>(kMaxSize))
    return static_cast<int64_t>(tokens->length());
  return reader.size("vocab_size");
}

Sizes read_sizes(const Checkpoint& checkpoint, const Reader& reader) {
  Sizes sizes;
  sizes.layers = reader.size("block_count", kMaxLayers);
  sizes.hidden = reader.size("embedding_length");
  sizes.vocab = vocabulary_size(checkpoint, reader);
  sizes.context = reader.size("context_length");
  const auto required = [&](std::string_view name) {
    auto values = reader.layer_sizes(name, sizes.layers);
    if (!values) fail(ErrorCode::kFormat, reader.where(), "lacks '{}'", reader.key(name));
    return std::move(*values);
  };
  sizes.heads = required("attention.head_count");
  sizes.widths = required("feed_forward_length");
  sizes.kv_heads = reader.layer_sizes("attention.head_count_kv", sizes.layers).value_or(sizes.heads);
  for (size_t layer = 0; layer < sizes.heads.size(); ++layer) {
    const auto refuse_absent = [&](std::string_view name, int64_t size) {
      if (size != 0) return;
      fail(ErrorCode::kUnsupported, reader.where(),
           "'{}' is 0 in layer {}: layers without attention or FFN, or with a linear map in their place, are not "
           "supported yet",
           reader.key(name), layer);
    };
    refuse_absent("attention.head_count", sizes.heads[layer]);
    refuse_absent("attention.head_count_kv", sizes.kv_heads[layer]);
    refuse_absent("feed_forward_length", sizes.widths[layer]);
    if (sizes.heads[layer] % sizes.kv_heads[layer] != 0) {
      fail(ErrorCode::kMismatch, reader.where(), "'{}' is {} and '{}' is {} in layer {}, which does not divide it",
           reader.key("attention.head_count"), sizes.heads[layer], reader.key("attention.head_count_kv"),
           sizes.kv_heads[layer], layer);
    }
  }
  sizes.head_dim = reader.find_size("attention.key_length").value_or(sizes.hidden / sizes.heads.front());
  const int64_t value_dim = reader.find_size("attention.value_length").value_or(sizes.hidden / sizes.heads.front());
  if (value_dim != sizes.head_dim) {
    fail(ErrorCode::kUnsupported, reader.where(),
         "heads have {} numbers of keys and {} of values ('{}', '{}'): they must be as many", sizes.head_dim, value_dim,
         reader.key("attention.key_length"), reader.key("attention.value_length"));
  }
  if (sizes.head_dim < 1) {
    fail(ErrorCode::kMismatch, reader.where(), "states {} heads for a hidden size of {}", sizes.heads.front(),
         sizes.hidden);
  }
  sizes.rotated = reader.find_size("rope.dimension_count").value_or(sizes.head_dim);
  return sizes;
}

// What would change the arithmetic and has no place in a config of these families.
void refuse_what_is_not_known(const Checkpoint& checkpoint, const Reader& reader, const Sizes& sizes) {
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

// The factors by which frequencies are divided, one for each pair of numbers; nothing where they are not stored.
std::optional<std::vector<double>> read_factors(const Checkpoint& checkpoint, const std::string& name,
                                                int64_t rotated) {
  const Checkpoint::Entry* entry = checkpoint.find(name);
  if (entry == nullptr) return std::nullopt;
  const TensorSpec& spec = entry->stored.spec;
  if (spec.num_elements() != rotated / 2 || !dtype_is_computable(spec.dtype) || dtype_is_quantised(spec.dtype)) {
    fail(ErrorCode::kMismatch, checkpoint.where(*entry), "is {}, expected {} numbers", to_string(spec), rotated / 2);
  }
  std::vector<double> factors(static_cast<size_t>(rotated / 2));
  widen(checkpoint.bytes(*entry).data(), spec.dtype, factors.size(), factors.data());
  for (double& factor : factors) {
    if (!(factor > 0) || !std::isfinite(factor))
      fail(ErrorCode::kFormat, checkpoint.where(*entry), "holds {}, expected numbers above 0", factor);
    factor = shortest(factor);
  }
  return factors;
}

// LLaMA 3 stretches its context by a rule that its config names and GGUF stores as factors. The rule of Meta's models,
// if it gives these factors.
std::optional<Json> as_llama3(const std::vector<double>& factors, double theta) {
  const double factor = *std::max_element(factors.begin(), factors.end());
  if (!(factor > 1)) return std::nullopt;
  const Json rule{{"rope_type", "llama3"},
                  {"factor", factor},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192}};
  const auto rotated = static_cast<int64_t>(2 * factors.size());
  const Config plain("{}", "rope"), ruled(Json{{"rope_scaling", rule}}.dump(), "rope");
  const std::vector<double> before = describe_rotary(plain, rotated, theta, 0).inv_freq;
  const std::vector<double> after = describe_rotary(ruled, rotated, theta, 0).inv_freq;
  for (size_t i = 0; i < factors.size(); ++i) {
    // The factors are computed and stored in f32, from frequencies in f32.
    if (std::abs(before[i] / after[i] / factors[i] - 1) > 2e-6) return std::nullopt;
  }
  return rule;
}

// How the context is stretched: the value of rope_scaling, or null.
Json rope_scaling(const Checkpoint& checkpoint, const Reader& reader, const Sizes& sizes, double theta,
                  const std::string& architecture) {
  const std::string type = reader.text("rope.scaling.type").value_or("linear");
  const auto number = [&](std::string_view name, double fallback) {
    return reader.has(name) ? reader.positive(name) : fallback;
  };
  double factor =
      reader.find_number("rope.scaling.factor")
          .value_or(reader.find_number("rope.scale_linear").value_or(0));  // an older name; 0 stands for none
  if (factor < 0) fail(ErrorCode::kFormat, reader.where(), "'{}' is {}", reader.key("rope.scaling.factor"), factor);
  if (factor == 0 || type == "none") factor = 1;
  const double attention = number("rope.scaling.attn_factor", 1);
  const int64_t original = reader.find_size("rope.scaling.original_context_length").value_or(sizes.context);
  if (type != "none" && type != "linear" && type != "yarn" && type != "longrope") {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is '{}'; supported are none, linear, yarn, longrope",
         reader.key("rope.scaling.type"), type);
  }

  // Only some architectures look at the stored factors.
  const bool like_llama = architecture == "llama" || architecture == "deci", phi3 = architecture == "phi3";
  std::optional<std::vector<double>> freqs, short_factors, long_factors;
  if (like_llama && type != "longrope") freqs = read_factors(checkpoint, "rope_freqs.weight", sizes.rotated);
  if (phi3 || (like_llama && type == "longrope")) {
    short_factors = read_factors(checkpoint, "rope_factors_short.weight", sizes.rotated);
    long_factors = read_factors(checkpoint, "rope_factors_long.weight", sizes.rotated);
    if (short_factors.has_value() != long_factors.has_value()) {
      fail(ErrorCode::kMismatch, reader.where(),
           "of 'rope_factors_short.weight' and 'rope_factors_long.weight' only one "
           "is stored");
    }
  }

  if (type == "yarn") {
    if (freqs || short_factors) {
      fail(ErrorCode::kUnsupported, reader.where(), "'{}' is yarn, and factors of the frequencies are stored too",
           reader.key("rope.scaling.type"));
    }
    for (const auto& [name, expected] :
         {std::pair{"rope.scaling.yarn_ext_factor", 1.0}, std::pair{"rope.scaling.yarn_log_multiplier", 0.0}}) {
      const double value = reader.find_number(name).value_or(expected);
      if (value != expected) {
        fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}; supported is {}", reader.key(name), value, expected);
      }
    }
    Json scaling{{"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", original}};
    if (reader.has("rope.scaling.yarn_beta_fast"))
      scaling["beta_fast"] = reader.positive("rope.scaling.yarn_beta_fast");
    if (reader.has("rope.scaling.yarn_beta_slow"))
      scaling["beta_slow"] = reader.positive("rope.scaling.yarn_beta_slow");
    if (reader.has("rope.scaling.yarn_attn_factor")) {
      scaling["attention_factor"] = reader.positive("rope.scaling.yarn_attn_factor");
    } else if (attention != 1) {
      scaling["attention_factor"] = attention * (0.1 * std::log(std::max(factor, 1.0)) + 1);
    }
    return scaling;
  }
  if (short_factors) {
    if (factor != 1) {
      fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}, and factors of the frequencies are stored too",
           reader.key("rope.scaling.factor"), factor);
    }
    if (original < 2) {
      fail(ErrorCode::kFormat, reader.where(), "'{}' is {}, expected at least 2",
           reader.key("rope.scaling.original_context_length"), original);
    }
    Json scaling{{"short_factor", *short_factors}, {"long_factor", *long_factors}};
    // Phi-3 has exactly these keys, and the attention factor follows from the two contexts.
    const double stretch = static_cast<double>(sizes.context) / static_cast<double>(original);
    const double usual = stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(static_cast<double>(original))) : 1.0;
    if (phi3) scaling["type"] = "longrope";
    if (!phi3) scaling["rope_type"] = "longrope";
    if (!phi3) scaling["original_max_position_embeddings"] = original;
    if (!phi3 || std::abs(attention - usual) > 1e-6) scaling["attention_factor"] = attention;
    return scaling;
  }
  if (attention != 1) {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {} without yarn or longrope",
         reader.key("rope.scaling.attn_factor"), attention);
  }
  if (freqs) {
    for (double& value : *freqs) value *= factor;
    if (std::all_of(freqs->begin(), freqs->end(), [](double value) { return value == 1; })) return nullptr;
    if (auto rule = as_llama3(*freqs, theta)) return *rule;
    // Any other factors are a longrope that is the same for long and short.
    return {{"rope_type", "longrope"},
            {"short_factor", *freqs},
            {"long_factor", *freqs},
            {"attention_factor", 1.0},
            {"original_max_position_embeddings", std::max<int64_t>(original, 2)}};
  }
  if (factor == 1) return nullptr;
  return {{"type", "linear"}, {"factor", factor}};
}

// The fraction whose product with the head size is this many numbers, as programs compute it.
double rotary_fraction(const Sizes& sizes) {
  const auto dim = static_cast<double>(sizes.head_dim);
  double fraction = shortest(static_cast<float>(static_cast<double>(sizes.rotated) / dim));
  if (static_cast<int64_t>(fraction * dim) != sizes.rotated) fraction = static_cast<double>(sizes.rotated) / dim;
  if (static_cast<int64_t>(fraction * dim) < sizes.rotated)
    fraction = std::nextafter(fraction, std::numeric_limits<double>::infinity());
  return fraction;
}

void require_whole_heads_turn(const Reader& reader, const Sizes& sizes) {
  if (sizes.rotated == sizes.head_dim) return;
  fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}: in this architecture all {} numbers of a head turn",
       reader.key("rope.dimension_count"), sizes.rotated, sizes.head_dim);
}

// The type of most matrix elements, as torch names it; what is quantised would be decoded to f32.
std::string torch_dtype(const Checkpoint& checkpoint) {
  std::map<std::string, double> elements{{"float32", 0}};
  for (const auto& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    if (spec.shape.size() < 2) continue;
    const char* name = spec.dtype == Dtype::kF16    ? "float16"
                       : spec.dtype == Dtype::kBf16 ? "bfloat16"
                       : spec.dtype == Dtype::kF64  ? "float64"
                                                    : "float32";
    elements[name] += static_cast<double>(spec.num_elements());
  }
  return std::max_element(elements.begin(), elements.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// Ids of special tokens; what is no id of the vocabulary stands for none.
void add_tokens(const Checkpoint& checkpoint, const Sizes& sizes, Json& config) {
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
  const auto eos = usual("tokenizer.ggml.eos_token_id", 2), eot = id("tokenizer.ggml.eot_token_id");
  if (eos && eot && *eos != *eot) {
    config["eos_token_id"] = Json::array({*eos, *eot});
  } else if (eos || eot) {
    config["eos_token_id"] = eos ? *eos : *eot;
  }
  if (const auto padding = id("tokenizer.ggml.padding_token_id")) config["pad_token_id"] = *padding;
}

// Nemotron-NAS spells an ordinary layer so.
Json block_configs(const Sizes& sizes) {
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
    if (width % kDeciWidthMultiple == 0) {
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
  const Reader& reader;
  const Sizes& sizes;
  std::string architecture;

  double theta() const { return reader.has("rope.freq_base") ? reader.positive("rope.freq_base") : 10000.0; }
  double norm_epsilon() const { return reader.positive("attention.layer_norm_epsilon"); }
  double rms_epsilon() const { return reader.positive("attention.layer_norm_rms_epsilon"); }
  Json scaling() const { return rope_scaling(checkpoint, reader, sizes, theta(), architecture); }
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
            {"rope_scaling", scaling()},
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
    const bool layers_differ = architecture == "deci" || !sizes.uniform();
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
    config["partial_rotary_factor"] = rotary_fraction(sizes);
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
    if (sizes.rotated != sizes.head_dim) config["partial_rotary_factor"] = rotary_fraction(sizes);
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
    config["rotary_pct"] = rotary_fraction(sizes);
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
  if (const auto parts = metadata.integer("split.count", where); parts && *parts > 1) {
    fail(
        ErrorCode::kUnsupported, where,
        "is one part of a file that was split into {} ('split.count'): join the parts first (llama-gguf-split --merge)",
        *parts);
  }
  const Reader reader(checkpoint, *architecture);
  const Sizes sizes = read_sizes(checkpoint, reader);
  refuse_what_is_not_known(checkpoint, reader, sizes);
  const Translation translation{checkpoint, reader, sizes, *architecture};
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
