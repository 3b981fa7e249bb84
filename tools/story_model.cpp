// Initial weights, and the runtime's transformer over them.
#include "story_model.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/random.h"
#include "runtime/transformer.h"

namespace prunenet {
namespace {

// The sum of twelve uniform numbers, close enough to a normal one and without a library function in it.
float next_normal(RandomStream& stream) {
  double sum = -6.0;
  for (int i = 0; i < 12; ++i) sum += stream.next_open();
  return static_cast<float>(sum);
}

// Gives the transformer the parameters themselves, so that gradients reach them.
class ParameterWeights final : public WeightSource {
 public:
  explicit ParameterWeights(const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
    for (const auto& [name, tensor] : parameters) by_name_.emplace(name, tensor);
  }
  at::Tensor get(const std::string& name, at::ScalarType type) override { return by_name_.at(name).to(type); }
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override {
    return at::embedding(by_name_.at(name), ids);
  }
  void release(const std::string&) override {}

 private:
  std::map<std::string, at::Tensor> by_name_;
};

}  // namespace

std::string story_config_json(const StoryModelShape& shape) {
  const nlohmann::ordered_json config{
      {"architectures", nlohmann::ordered_json::array({"LlamaForCausalLM"})},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"bos_token_id", 1},
      {"eos_token_id", 2},
      {"hidden_act", "silu"},
      {"hidden_size", shape.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", shape.ffn},
      {"max_position_embeddings", shape.positions},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"num_attention_heads", shape.heads},
      {"num_hidden_layers", shape.layers},
      {"num_key_value_heads", shape.kv_heads},
      {"pretraining_tp", 1},
      {"rms_norm_eps", 1e-05},
      {"rope_scaling", nullptr},
      {"rope_theta", 10000.0},
      {"tie_word_embeddings", true},
      {"torch_dtype", "bfloat16"},
      {"transformers_version", "4.41.0"},
      {"use_cache", true},
      {"vocab_size", shape.vocab},
  };
  return config.dump(2) + "\n";
}

StoryModel::StoryModel(const StoryModelShape& shape, uint64_t seed) : shape_(shape) {
  add("model.embed_tokens.weight", {shape.vocab, shape.hidden}, 0.05, seed);
  for (int64_t i = 0; i < shape.layers; ++i) add_layer(i, seed);
  add("model.norm.weight", {shape.hidden}, 0, seed);
  describe();
}

// A deviation of 0 means ones: the weights of a norm.
void StoryModel::add(const std::string& name, at::IntArrayRef shape, double deviation, uint64_t seed) {
  at::Tensor tensor = at::ones(shape, at::kFloat);
  if (deviation > 0) {
    RandomStream stream(seed, RandomStage::kDemoTraining, static_cast<uint32_t>(parameters_.size()), 0);
    float* values = tensor.data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(deviation) * next_normal(stream);
  }
  tensor.requires_grad_(true);
  parameters_.emplace_back(name, tensor);
}

// A normed input has numbers of size 1, so rows of deviation 1 / sqrt(width) give outputs of size 1. What is added to
// the residual stream is damped by the number of additions, as in GPT-2.
void StoryModel::add_layer(int64_t layer, uint64_t seed) {
  const int64_t hidden = shape_.hidden, kv_width = hidden / shape_.heads * shape_.kv_heads;
  const double in = 1.0 / std::sqrt(static_cast<double>(hidden));
  const double damped = 1.0 / std::sqrt(2.0 * static_cast<double>(shape_.layers));
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  add(prefix + "input_layernorm.weight", {hidden}, 0, seed);
  add(prefix + "self_attn.q_proj.weight", {hidden, hidden}, in, seed);
  add(prefix + "self_attn.k_proj.weight", {kv_width, hidden}, in, seed);
  add(prefix + "self_attn.v_proj.weight", {kv_width, hidden}, in, seed);
  add(prefix + "self_attn.o_proj.weight", {hidden, hidden}, in * damped, seed);
  add(prefix + "post_attention_layernorm.weight", {hidden}, 0, seed);
  add(prefix + "mlp.gate_proj.weight", {shape_.ffn, hidden}, in, seed);
  add(prefix + "mlp.up_proj.weight", {shape_.ffn, hidden}, in, seed);
  add(prefix + "mlp.down_proj.weight", {hidden, shape_.ffn}, damped / std::sqrt(static_cast<double>(shape_.ffn)), seed);
}

void StoryModel::describe() {
  std::map<std::string, TensorSpec> specs;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters_) {
    specs[name] = {name, Dtype::kBf16, tensor.sizes().vec()};
    names.push_back(name);
  }
  const TensorLookup find = [&](const std::string& name) {
    const auto found = specs.find(name);
    return found == specs.end() ? nullptr : &found->second;
  };
  const std::string config = story_config_json(shape_), where = "the demo model";
  description_ = describe_transformer(config, find, describe_model(config, find, names, where), where);
}

at::Tensor StoryModel::logits(const at::Tensor& ids) const {
  ParameterWeights weights(parameters_);
  Transformer transformer(description_, weights, at::kCPU, {});
  const int64_t rows = ids.size(0), length = ids.size(1);
  PRUNENET_CHECK(length <= shape_.positions);
  const std::vector<at::Tensor> hidden =
      transformer.hidden({Chunk{ids.reshape({-1}), {Segment{rows, length, nullptr}}}});
  return transformer.logits(hidden.front()).view({rows, length, -1});
}

std::vector<std::vector<TokenScore>> StoryModel::score(std::span<const ScoreRequest> requests) const {
  const at::NoGradGuard no_grad;
  size_t longest = 0;
  for (const ScoreRequest& request : requests) longest = std::max(longest, request.ids.size());
  // What lies behind the end of a sequence is <unk> and changes nothing before it.
  at::Tensor ids = at::zeros({static_cast<int64_t>(requests.size()), static_cast<int64_t>(longest)}, at::kLong);
  for (size_t i = 0; i < requests.size(); ++i) {
    PRUNENET_CHECK(requests[i].first_scored == 1);
    std::copy(requests[i].ids.begin(), requests[i].ids.end(), ids.data_ptr<int64_t>() + i * longest);
  }
  const int64_t length = ids.size(1) - 1;
  const at::Tensor all = logits(ids.narrow(1, 0, length));
  const at::Tensor next = ids.narrow(1, 1, length);
  const at::Tensor log_probs = all.log_softmax(2).gather(2, next.unsqueeze(2)).squeeze(2).contiguous();
  const at::Tensor greedy = all.argmax(2).eq(next).contiguous();
  std::vector<std::vector<TokenScore>> scores(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t row = i * static_cast<size_t>(length);
    for (size_t j = 0; j + 1 < requests[i].ids.size(); ++j) {
      scores[i].push_back({log_probs.data_ptr<float>()[row + j], greedy.data_ptr<bool>()[row + j]});
    }
  }
  return scores;
}

void StoryModel::round_to_bf16() {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : parameters_) tensor.copy_(tensor.to(at::kBFloat16));
}

}  // namespace prunenet
