// Small GGUF files of any architecture for the tests of what their metadata state.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/gguf_writer.h"
#include "model/gguf_config.h"
#include "model/transformer.h"
#include "support/support.h"

namespace prunenet::test {

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
  nlohmann::json config() const { return nlohmann::json::parse(config_of(checkpoint_)); }
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

inline Outline outline_of(const std::string& architecture) {
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

inline const std::vector<std::string> kArchitectures{"llama",  "deci",    "qwen2", "phi2", "phi3",
                                                     "falcon", "gptneox", "gpt2",  "gemma"};

}  // namespace prunenet::test
