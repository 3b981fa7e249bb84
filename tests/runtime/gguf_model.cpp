// Converting folders to GGUF, plainly.
#include "gguf_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "checkpoint/gguf_writer.h"

namespace prunenet::test {
namespace {

using nlohmann::json;
using Values = std::vector<float>;

// Rows of a matrix (or elements of a vector) in another order: row i comes from row `from(i)`.
PlainTensor reordered(const PlainTensor& tensor, const std::function<int64_t(int64_t)>& from) {
  PlainTensor result{tensor.shape, {}};
  const int64_t cols = tensor.shape.size() == 2 ? tensor.shape[1] : 1;
  for (int64_t row = 0; row < tensor.shape[0]; ++row) {
    const auto begin = tensor.values.begin() + from(row) * cols;
    result.values.insert(result.values.end(), begin, begin + cols);
  }
  return result;
}

// Number i of the first half of every head comes to 2 i, and number i of the second half to 2 i + 1.
PlainTensor with_adjacent_pairs(const PlainTensor& tensor, int64_t head_dim) {
  return reordered(tensor, [&](int64_t row) {
    const int64_t head = row / head_dim, place = row % head_dim;
    return head * head_dim + (place % 2) * (head_dim / 2) + place / 2;
  });
}

// Of runs of queries, one key and one value to all queries, all keys, all values.
PlainTensor ungrouped(const PlainTensor& tensor, int64_t heads, int64_t kv_heads, int64_t head_dim) {
  const int64_t each = heads / kv_heads;
  return reordered(tensor, [&](int64_t row) {
    const int64_t head = row / head_dim, place = row % head_dim;
    int64_t slot = 0;
    if (head < heads) {
      slot = head / each * (each + 2) + head % each;
    } else {
      const int64_t rest = head - heads;
      slot = rest % kv_heads * (each + 2) + each + rest / kv_heads;
    }
    return slot * head_dim + place;
  });
}

PlainTensor transposed(const PlainTensor& tensor) {
  PlainTensor result{{tensor.shape[1], tensor.shape[0]}, {}};
  for (int64_t row = 0; row < tensor.shape[1]; ++row) {
    for (int64_t col = 0; col < tensor.shape[0]; ++col)
      result.values.push_back(tensor.values[static_cast<size_t>(col * tensor.shape[1] + row)]);
  }
  return result;
}

// Name of a module, then its name in GGUF; of a layer, or whole.
using Names = std::vector<std::pair<std::string, std::string>>;

const Names kLlamaLayer{{"input_layernorm", "attn_norm"},
                        {"post_attention_layernorm", "ffn_norm"},
                        {"self_attn.q_proj", "attn_q"},
                        {"self_attn.k_proj", "attn_k"},
                        {"self_attn.v_proj", "attn_v"},
                        {"self_attn.o_proj", "attn_output"},
                        {"self_attn.qkv_proj", "attn_qkv"},
                        {"self_attn.dense", "attn_output"},
                        {"mlp.gate_proj", "ffn_gate"},
                        {"mlp.up_proj", "ffn_up"},
                        {"mlp.gate_up_proj", "ffn_up"},
                        {"mlp.down_proj", "ffn_down"},
                        {"mlp.fc1", "ffn_up"},
                        {"mlp.fc2", "ffn_down"}};
const Names kFalconLayer{{"ln_attn", "attn_norm_2"},
                         {"ln_mlp", "attn_norm"},
                         {"input_layernorm", "attn_norm"},
                         {"self_attention.query_key_value", "attn_qkv"},
                         {"self_attention.dense", "attn_output"},
                         {"mlp.dense_h_to_4h", "ffn_up"},
                         {"mlp.dense_4h_to_h", "ffn_down"}};
const Names kNeoxLayer{{"input_layernorm", "attn_norm"},          {"post_attention_layernorm", "ffn_norm"},
                       {"attention.query_key_value", "attn_qkv"}, {"attention.dense", "attn_output"},
                       {"mlp.dense_h_to_4h", "ffn_up"},           {"mlp.dense_4h_to_h", "ffn_down"}};
const Names kGpt2Layer{{"ln_1", "attn_norm"},          {"ln_2", "ffn_norm"},   {"attn.c_attn", "attn_qkv"},
                       {"attn.c_proj", "attn_output"}, {"mlp.c_fc", "ffn_up"}, {"mlp.c_proj", "ffn_down"}};
const Names kWhole{{"model.embed_tokens", "token_embd"},
                   {"transformer.word_embeddings", "token_embd"},
                   {"gpt_neox.embed_in", "token_embd"},
                   {"transformer.wte", "token_embd"},
                   {"transformer.wpe", "position_embd"},
                   {"model.norm", "output_norm"},
                   {"model.final_layernorm", "output_norm"},
                   {"transformer.ln_f", "output_norm"},
                   {"gpt_neox.final_layer_norm", "output_norm"},
                   {"lm_head", "output"},
                   {"embed_out", "output"}};

struct Architecture {
  std::string name, layer_prefix;
  const Names* layer;
};

Architecture architecture_of(const std::string& type) {
  if (type == "llama" || type == "mistral") return {"llama", "model.layers.", &kLlamaLayer};
  if (type == "qwen2" || type == "gemma" || type == "phi3") return {type, "model.layers.", &kLlamaLayer};
  if (type == "phi") return {"phi2", "model.layers.", &kLlamaLayer};
  if (type == "falcon") return {"falcon", "transformer.h.", &kFalconLayer};
  if (type == "gpt_neox") return {"gptneox", "gpt_neox.layers.", &kNeoxLayer};
  if (type == "gpt2") return {"gpt2", "transformer.h.", &kGpt2Layer};
  throw std::invalid_argument("no GGUF architecture for " + type);
}

const std::string& translated(const Names& names, const std::string& module) {
  for (const auto& [folder, gguf] : names) {
    if (folder == module) return gguf;
  }
  throw std::invalid_argument("no GGUF name for " + module);
}

class Conversion {
 public:
  Conversion(const json& config, const PlainTensors& tensors)
      : config_(config), source_(tensors), architecture_(architecture_of(config["model_type"])) {
    const auto first = [&](std::initializer_list<const char*> keys, int64_t fallback) {
      for (const char* key : keys) {
        if (config.contains(key) && !config[key].is_null()) return config[key].get<int64_t>();
      }
      return fallback;
    };
    hidden_ = first({"hidden_size", "n_embd"}, 0);
    layers_ = first({"num_hidden_layers", "n_layer"}, 0);
    heads_ = first({"num_attention_heads", "n_head"}, 0);
    head_dim_ = first({"head_dim"}, hidden_ / heads_);
    context_ = first({"max_position_embeddings", "n_positions"}, 64);
    kv_heads_ = first({"num_key_value_heads"}, heads_);
    if (architecture_.name == "falcon") {
      const bool fresh = config.value("new_decoder_architecture", false);
      if (!fresh &&
          (!config.value("parallel_attn", true) || config.value("bias", false) || config.value("alibi", false)))
        throw std::invalid_argument("llama.cpp has no such Falcon");
      kv_heads_ = fresh ? first({"num_kv_heads"}, heads_) : 1;
    }
  }

  GgufModel convert() {
    for (const auto& [name, tensor] : source_) convert_tensor(name, tensor);
    describe_layers();
    number("context_length", context_);
    number("embedding_length", hidden_);
    number("block_count", layers_);
    if (config_.contains("head_dim")) {
      number("attention.key_length", head_dim_);
      number("attention.value_length", head_dim_);
    }
    for (const char* name : {"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"}) {
      if (!config_.contains(name)) continue;
      real(name[0] == 'r' ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", config_[name]);
    }
    if (architecture_.name == "gpt2" && !config_.contains("layer_norm_epsilon"))
      real("attention.layer_norm_epsilon", 1e-5);
    if (architecture_.name == "gemma" && !config_.contains("rms_norm_eps"))
      real("attention.layer_norm_rms_epsilon", 1e-6);
    if (architecture_.name == "gptneox")
      set("use_parallel_residual", GgufValue::of_bool(config_.value("use_parallel_residual", true)));
    if (config_["model_type"] == "mistral" || architecture_.name == "phi3") {
      const bool stated = config_.contains("sliding_window") && !config_["sliding_window"].is_null();
      number("attention.sliding_window", stated ? config_["sliding_window"].get<int64_t>() : 0);
    }
    if (architecture_.name != "gpt2") describe_rotary();
    set_whole("general.architecture", GgufValue::of_text(architecture_.name));
    for (const auto& [key, value] : own_) set_whole(architecture_.name + "." + key, value);
    const auto token = [&](const char* stated, const char* key) {
      if (config_.contains(stated)) set_whole(key, GgufValue::of_u32(config_[stated].get<uint32_t>()));
    };
    token("bos_token_id", "tokenizer.ggml.bos_token_id");
    token("eos_token_id", "tokenizer.ggml.eos_token_id");
    return std::move(result_);
  }

 private:
  void set_whole(const std::string& key, GgufValue value) { result_.metadata.set(key, std::move(value)); }
  void set(const std::string& key, GgufValue value) { own_.emplace_back(key, std::move(value)); }
  void number(const std::string& key, int64_t value) { set(key, GgufValue::of_u32(static_cast<uint32_t>(value))); }
  void real(const std::string& key, double value) { set(key, GgufValue::of_f32(static_cast<float>(value))); }
  void add(const std::string& name, const PlainTensor& tensor) {
    result_.tensors.push_back(f32_tensor(name, tensor.shape, tensor.values));
  }

  void convert_tensor(const std::string& name, PlainTensor tensor) {
    const size_t dot = name.rfind('.');
    const std::string module = name.substr(0, dot), kind = name.substr(dot);
    if (kind != ".weight" && kind != ".bias") throw std::invalid_argument("no GGUF name for " + name);
    if (!module.starts_with(architecture_.layer_prefix)) {
      if (architecture_.name == "gemma" && module == "lm_head") return;
      if (architecture_.name == "gemma" && module == "model.norm") add_one(tensor);
      add(translated(kWhole, module) + kind, tensor);
      return;
    }
    const size_t start = architecture_.layer_prefix.size(), second = module.find('.', start);
    const std::string index = module.substr(start, second - start);
    const std::string part = translated(*architecture_.layer, module.substr(second + 1));
    if (architecture_.name == "llama" && (part == "attn_q" || part == "attn_k"))
      tensor = with_adjacent_pairs(tensor, head_dim_);
    if ((architecture_.name == "falcon" || architecture_.name == "gptneox") && part == "attn_qkv")
      tensor = ungrouped(tensor, heads_, kv_heads_, head_dim_);
    if (architecture_.name == "gpt2" && tensor.shape.size() == 2) tensor = transposed(tensor);
    if (architecture_.name == "gemma" && part.ends_with("norm")) add_one(tensor);
    add("blk." + index + "." + part + kind, tensor);
  }

  static void add_one(PlainTensor& tensor) {
    for (float& value : tensor.values) value += 1;
  }

  // Sizes of the layers, by their tensors; of its own for each layer only in `deci`.
  void describe_layers() {
    std::vector<uint32_t> widths, heads, kv_heads;
    for (int64_t layer = 0; layer < layers_; ++layer) {
      const auto shape = [&](const char* part) {
        return result_.tensor("blk." + std::to_string(layer) + "." + part + ".weight").spec.shape;
      };
      widths.push_back(static_cast<uint32_t>(shape("ffn_down")[1]));
      heads.push_back(static_cast<uint32_t>(shape("attn_output")[1] / head_dim_));
      kv_heads.push_back(architecture_.name == "llama" ? static_cast<uint32_t>(shape("attn_k")[0] / head_dim_)
                                                       : static_cast<uint32_t>(kv_heads_));
    }
    const auto differ = [](const std::vector<uint32_t>& sizes) {
      return std::any_of(sizes.begin(), sizes.end(), [&](uint32_t size) { return size != sizes.front(); });
    };
    const bool own = differ(widths) || differ(heads) || differ(kv_heads);
    if (own && architecture_.name != "llama") throw std::invalid_argument("layers with sizes of their own");
    if (own) architecture_.name = "deci";
    const auto state = [&](const char* key, const std::vector<uint32_t>& sizes) {
      set(key, differ(sizes) ? GgufValue::of_u32s(sizes) : GgufValue::of_u32(sizes.front()));
    };
    state("feed_forward_length", widths);
    state("attention.head_count", heads);
    if (architecture_.name != "gptneox" && architecture_.name != "gpt2") state("attention.head_count_kv", kv_heads);
  }

  void describe_rotary() {
    double fraction = config_.value("partial_rotary_factor", config_["model_type"] == "phi" ? 0.5 : 1.0);
    if (architecture_.name == "gptneox") fraction = config_.value("rotary_pct", 0.25);
    const auto turned = static_cast<int64_t>(fraction * static_cast<double>(head_dim_));
    number("rope.dimension_count", turned);
    const double theta = config_.value("rope_theta", config_.value("rotary_emb_base", 10000.0));
    real("rope.freq_base", theta);
    const json scaling = config_.value("rope_scaling", json());
    if (architecture_.name == "phi3")
      number("rope.scaling.original_context_length", config_.value("original_max_position_embeddings", context_));
    if (scaling.is_null()) return;
    const std::string kind = scaling.value("rope_type", scaling.value("type", ""));
    const auto factors = [&](const char* name, const Values& values) {
      add(name, {{static_cast<int64_t>(values.size())}, values});
    };
    if (kind == "linear" || kind == "yarn") {
      set("rope.scaling.type", GgufValue::of_text(kind));
      real("rope.scaling.factor", scaling["factor"]);
      if (kind == "yarn")
        number("rope.scaling.original_context_length", scaling["original_max_position_embeddings"].get<int64_t>());
    } else if (kind == "llama3") {
      Values values;
      const double original = scaling["original_max_position_embeddings"], low = scaling["low_freq_factor"];
      const double high = scaling["high_freq_factor"], factor = scaling["factor"];
      for (int64_t i = 0; i < turned; i += 2) {
        const double wave =
            2 * std::numbers::pi * std::pow(theta, static_cast<double>(i) / static_cast<double>(turned));
        const double smooth = (original / wave - low) / (high - low);
        values.push_back(static_cast<float>(wave < original / high  ? 1.0
                                            : wave > original / low ? factor
                                                                    : 1 / ((1 - smooth) / factor + smooth)));
      }
      factors("rope_freqs.weight", values);
    } else if (kind == "longrope" && architecture_.name == "phi3") {
      const double original = config_["original_max_position_embeddings"].get<double>();
      const double stretch = static_cast<double>(context_) / original;
      real("rope.scaling.attn_factor", stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(original)) : 1.0);
      factors("rope_factors_long.weight", scaling["long_factor"].get<Values>());
      factors("rope_factors_short.weight", scaling["short_factor"].get<Values>());
    } else {
      throw std::invalid_argument("no rotary scaling of type " + kind);
    }
  }

  const json& config_;
  const PlainTensors& source_;
  Architecture architecture_;
  int64_t hidden_ = 0, layers_ = 0, heads_ = 0, kv_heads_ = 0, head_dim_ = 0, context_ = 0;
  std::vector<std::pair<std::string, GgufValue>> own_;  // keys under the architecture's name
  GgufModel result_;
};

Values values_of(const TensorSpec& spec, const std::byte* bytes) {
  Values values(static_cast<size_t>(spec.num_elements()));
  widen(bytes, spec.dtype, values.size(), values.data());
  return values;
}

}  // namespace

TestTensor& GgufModel::tensor(const std::string& name) {
  for (TestTensor& tensor : tensors) {
    if (tensor.spec.name == name) return tensor;
  }
  throw std::logic_error("the model has no tensor " + name);
}

void GgufModel::store_matrices_as(Dtype dtype) {
  for (TestTensor& tensor : tensors) {
    if (tensor.spec.shape.size() != 2 || tensor.spec.name == "position_embd.weight") continue;
    const Values values = values_of(tensor.spec, reinterpret_cast<const std::byte*>(tensor.bytes.data()));
    const bool whole_blocks = tensor.spec.shape[1] % dtype_block_elements(dtype) == 0;
    tensor.spec.dtype = whole_blocks ? dtype : Dtype::kF16;
    tensor.bytes.resize(tensor.spec.size_bytes());
    if (!narrow(values.data(), values.size(), tensor.spec.dtype, reinterpret_cast<std::byte*>(tensor.bytes.data())))
      throw std::logic_error("cannot be stored: " + tensor.spec.name);
  }
}

void GgufModel::decode() {
  for (TestTensor& tensor : tensors) {
    const Values values = values_of(tensor.spec, reinterpret_cast<const std::byte*>(tensor.bytes.data()));
    tensor = f32_tensor(tensor.spec.name, tensor.spec.shape, values);
  }
}

void GgufModel::write(const std::filesystem::path& path) const {
  std::vector<TensorSpec> specs;
  for (const TestTensor& tensor : tensors) specs.push_back(tensor.spec);
  GgufWriter writer(path, metadata, specs);
  for (const TestTensor& tensor : tensors) writer.append(std::as_bytes(std::span(tensor.bytes)));
  writer.finish();
}

GgufModel gguf_of(const json& config, const PlainTensors& tensors) {
  return Conversion(config, tensors).convert();
}

GgufModel gguf_of(const std::filesystem::path& folder) {
  const Checkpoint checkpoint(folder);
  PlainTensors tensors;
  for (const auto& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    tensors[spec.name] = {spec.shape, values_of(spec, checkpoint.bytes(entry).data())};
  }
  return gguf_of(json::parse(checkpoint.config_text()), tensors);
}

}  // namespace prunenet::test
