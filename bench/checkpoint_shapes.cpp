// The shapes, the tensor names of LlamaForCausalLM, PhiForCausalLM and OPTForCausalLM, and their configs.
#include "checkpoint_shapes.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

// Widths from the config.json files that their makers published.
constexpr std::array<CheckpointShape, 6> kShapes{{
    {"llama2-7b", ShapeFamily::kLlama, 4096, 11008, 32, 32, 4096},
    {"phi2", ShapeFamily::kPhi, 2560, 10240, 32, 32, 2048},
    {"opt-6.7b", ShapeFamily::kOpt, 4096, 16384, 32, 32, 2048},
    {"llama2-70b", ShapeFamily::kLlama, 8192, 28672, 64, 8, 4096},
    {"tinyllama-1.1b", ShapeFamily::kLlama, 2048, 5632, 32, 4, 2048},
    {"tiny", ShapeFamily::kLlama, 64, 192, 4, 2, 128},
}};

class Plan {
 public:
  Plan(const CheckpointShape& shape, const CheckpointSize& size) : shape_(shape), size_(size) {}

  std::vector<PlannedTensor> make() {
    switch (shape_.family) {
      case ShapeFamily::kLlama:
        add_llama();
        break;
      case ShapeFamily::kPhi:
        add_phi();
        break;
      case ShapeFamily::kOpt:
        add_opt();
        break;
    }
    return std::move(tensors_);
  }

 private:
  // Opens a group of tensors whose random numbers are counted apart: see PlannedTensor.
  void begin_layer(int64_t layer, const char* layers) {
    prefix_ = fmt::format("{}{}.", layers, layer);
    layer_ = static_cast<uint32_t>(layer + 1);
    slot_ = 0;
  }
  void begin_model(uint32_t first_slot) {
    prefix_.clear();
    layer_ = 0;
    slot_ = first_slot;
  }

  void add(const std::string& name, std::vector<int64_t> extents, TensorRole role) {
    tensors_.push_back({{prefix_ + name, size_.dtype, std::move(extents)}, role, layer_, slot_++});
  }
  void matrix(const std::string& name, int64_t rows, int64_t cols) {
    add(name + ".weight", {rows, cols}, TensorRole::kMatrix);
  }
  void linear(const std::string& name, int64_t rows, int64_t cols) {
    matrix(name, rows, cols);
    add(name + ".bias", {rows}, TensorRole::kBias);
  }
  void rms_norm(const std::string& name) { add(name + ".weight", {shape_.hidden}, TensorRole::kNormWeight); }
  void layer_norm(const std::string& name) {
    rms_norm(name);
    add(name + ".bias", {shape_.hidden}, TensorRole::kBias);
  }

  void add_llama() {
    const int64_t hidden = shape_.hidden, kv_width = hidden / shape_.heads * shape_.kv_heads;
    begin_model(0);
    matrix("model.embed_tokens", size_.vocab, hidden);
    for (int64_t layer = 0; layer < size_.layers; ++layer) {
      begin_layer(layer, "model.layers.");
      rms_norm("input_layernorm");
      matrix("self_attn.q_proj", hidden, hidden);
      matrix("self_attn.k_proj", kv_width, hidden);
      matrix("self_attn.v_proj", kv_width, hidden);
      matrix("self_attn.o_proj", hidden, hidden);
      rms_norm("post_attention_layernorm");
      matrix("mlp.gate_proj", shape_.ffn, hidden);
      matrix("mlp.up_proj", shape_.ffn, hidden);
      matrix("mlp.down_proj", hidden, shape_.ffn);
    }
    begin_model(16);
    rms_norm("model.norm");
    matrix("lm_head", size_.vocab, hidden);
  }

  void add_phi() {
    const int64_t hidden = shape_.hidden;
    begin_model(0);
    matrix("model.embed_tokens", size_.vocab, hidden);
    for (int64_t layer = 0; layer < size_.layers; ++layer) {
      begin_layer(layer, "model.layers.");
      layer_norm("input_layernorm");
      for (const char* name : {"q_proj", "k_proj", "v_proj", "dense"}) {
        linear(std::string("self_attn.") + name, hidden, hidden);
      }
      linear("mlp.fc1", shape_.ffn, hidden);
      linear("mlp.fc2", hidden, shape_.ffn);
    }
    begin_model(16);
    layer_norm("model.final_layernorm");
    linear("lm_head", size_.vocab, hidden);
  }

  void add_opt() {
    const int64_t hidden = shape_.hidden;
    begin_model(0);
    matrix("model.decoder.embed_tokens", size_.vocab, hidden);              // the output matrix as well
    matrix("model.decoder.embed_positions", shape_.positions + 2, hidden);  // OPT leaves the first two places empty
    layer_norm("model.decoder.final_layer_norm");
    for (int64_t layer = 0; layer < size_.layers; ++layer) {
      begin_layer(layer, "model.decoder.layers.");
      for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"}) {
        linear(std::string("self_attn.") + name, hidden, hidden);
      }
      layer_norm("self_attn_layer_norm");
      linear("fc1", shape_.ffn, hidden);
      linear("fc2", hidden, shape_.ffn);
      layer_norm("final_layer_norm");
    }
  }

  const CheckpointShape& shape_;
  const CheckpointSize& size_;
  std::string prefix_;
  uint32_t layer_ = 0, slot_ = 0;
  std::vector<PlannedTensor> tensors_;
};

void add_llama_config(const CheckpointShape& shape, Json& config) {
  config["architectures"] = Json::array({"LlamaForCausalLM"});
  config["model_type"] = "llama";
  config["attention_bias"] = false;
  config["attention_dropout"] = 0.0;
  config["bos_token_id"] = 1;
  config["eos_token_id"] = 2;
  config["hidden_act"] = "silu";
  config["initializer_range"] = 0.02;
  config["intermediate_size"] = shape.ffn;
  config["mlp_bias"] = false;
  config["num_key_value_heads"] = shape.kv_heads;
  config["pretraining_tp"] = 1;
  config["rms_norm_eps"] = 1e-05;
  config["rope_scaling"] = nullptr;
  config["rope_theta"] = 10000.0;
  config["tie_word_embeddings"] = false;
}

void add_phi_config(const CheckpointShape& shape, Json& config) {
  config["architectures"] = Json::array({"PhiForCausalLM"});
  config["model_type"] = "phi";
  config["attention_dropout"] = 0.0;
  config["bos_token_id"] = 1;
  config["embd_pdrop"] = 0.0;
  config["eos_token_id"] = 2;
  config["hidden_act"] = "gelu_new";
  config["initializer_range"] = 0.02;
  config["intermediate_size"] = shape.ffn;
  config["layer_norm_eps"] = 1e-05;
  config["num_key_value_heads"] = shape.kv_heads;
  config["partial_rotary_factor"] = 0.4;
  config["qk_layernorm"] = false;
  config["resid_pdrop"] = 0.0;
  config["rope_scaling"] = nullptr;
  config["rope_theta"] = 10000.0;
  config["tie_word_embeddings"] = false;
}

void add_opt_config(const CheckpointShape& shape, Json& config) {
  config["architectures"] = Json::array({"OPTForCausalLM"});
  config["model_type"] = "opt";
  config["_remove_final_layer_norm"] = false;
  config["activation_function"] = "relu";
  config["attention_dropout"] = 0.0;
  config["bos_token_id"] = 2;
  config["do_layer_norm_before"] = true;
  config["dropout"] = 0.0;
  config["enable_bias"] = true;
  config["eos_token_id"] = 2;
  config["ffn_dim"] = shape.ffn;
  config["init_std"] = 0.02;
  config["layer_norm_elementwise_affine"] = true;
  config["layerdrop"] = 0.0;
  config["pad_token_id"] = 1;
  config["tie_word_embeddings"] = true;
  config["word_embed_proj_dim"] = shape.hidden;
}

}  // namespace

std::span<const CheckpointShape> checkpoint_shapes() {
  return kShapes;
}

std::vector<PlannedTensor> plan_tensors(const CheckpointShape& shape, const CheckpointSize& size) {
  return Plan(shape, size).make();
}

std::string config_json(const CheckpointShape& shape, const CheckpointSize& size) {
  Json config;
  switch (shape.family) {
    case ShapeFamily::kLlama:
      add_llama_config(shape, config);
      break;
    case ShapeFamily::kPhi:
      add_phi_config(shape, config);
      break;
    case ShapeFamily::kOpt:
      add_opt_config(shape, config);
      break;
  }
  config["hidden_size"] = shape.hidden;
  config["max_position_embeddings"] = shape.positions;
  config["num_attention_heads"] = shape.heads;
  config["num_hidden_layers"] = size.layers;
  config["torch_dtype"] = size.dtype == Dtype::kBf16 ? "bfloat16" : "float32";
  config["transformers_version"] = "4.41.0";
  config["use_cache"] = true;
  config["vocab_size"] = size.vocab;
  return config.dump(2) + "\n";
}

}  // namespace prunenet
