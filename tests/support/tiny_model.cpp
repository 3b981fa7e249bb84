// The tiny LLaMA checkpoint: see tiny_model.h.
#include "support/tiny_model.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/random.h"

namespace prunenet::test {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTokenizer =
    "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}\n";

nlohmann::ordered_json llama_config(const TinySizes& sizes) {
  return {{"architectures", {"LlamaForCausalLM"}}, {"hidden_act", "silu"},     {"hidden_size", sizes.hidden},
          {"intermediate_size", sizes.width},      {"model_type", "llama"},    {"num_attention_heads", 2},
          {"num_hidden_layers", sizes.layers},     {"num_key_value_heads", 2}, {"rms_norm_eps", 1e-5},
          {"tie_word_embeddings", false},          {"torch_dtype", "float32"}, {"vocab_size", sizes.vocab}};
}

std::vector<TensorSpec> llama_tensors(const TinySizes& sizes) {
  const int64_t d = sizes.hidden, f = sizes.width;
  std::vector<TensorSpec> specs;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    specs.push_back({name, Dtype::kF32, std::move(shape)});
  };
  add("lm_head.weight", {sizes.vocab, d});
  add("model.embed_tokens.weight", {sizes.vocab, d});
  for (int64_t l = 0; l < sizes.layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    add(layer + "input_layernorm.weight", {d});
    add(layer + "mlp.down_proj.weight", {d, f});
    add(layer + "mlp.gate_proj.weight", {f, d});
    add(layer + "mlp.up_proj.weight", {f, d});
    add(layer + "post_attention_layernorm.weight", {d});
    for (const char* name : {"k_proj", "o_proj", "q_proj", "v_proj"})
      add(layer + "self_attn." + name + ".weight", {d, d});
  }
  add("model.norm.weight", {d});
  return specs;
}

}  // namespace

TestTensor& TinyModel::tensor(const std::string& name) {
  for (TestTensor& tensor : tensors) {
    if (tensor.spec.name == name) return tensor;
  }
  throw std::logic_error("the tiny model has no tensor " + name);
}

void TinyModel::remove(const std::string& name) {
  tensor(name);
  std::erase_if(tensors, [&](const TestTensor& tensor) { return tensor.spec.name == name; });
}

void TinyModel::set(const std::string& name, size_t element, float value) {
  std::memcpy(tensor(name).bytes.data() + element * sizeof(float), &value, sizeof(float));
}

void TinyModel::write(const fs::path& folder) const {
  fs::create_directories(folder);
  write_bytes(folder / "config.json", config.dump(2) + "\n");
  write_bytes(folder / "tokenizer.json", kTokenizer);
  write_bytes(folder / "model.safetensors", safetensors_bytes(tensors));
}

void TinyModel::write_sharded(const fs::path& folder) const {
  write(folder);
  fs::remove(folder / "model.safetensors");
  const auto middle = tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() / 2);
  const std::vector<TestTensor> parts[2] = {{tensors.begin(), middle}, {middle, tensors.end()}};
  nlohmann::ordered_json index;
  for (int i = 0; i < 2; ++i) {
    const std::string name = "model-0000" + std::to_string(i + 1) + "-of-00002.safetensors";
    write_bytes(folder / name, safetensors_bytes(parts[i]));
    for (const TestTensor& tensor : parts[i]) index["weight_map"][tensor.spec.name] = name;
  }
  write_bytes(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

TinyModel tiny_model(uint64_t seed, const TinySizes& sizes) {
  TinyModel model{llama_config(sizes), {}};
  RandomStream stream(seed, RandomStage::kDemoModel);
  for (const TensorSpec& spec : llama_tensors(sizes)) {
    std::vector<float> values(static_cast<size_t>(spec.num_elements()));
    for (float& value : values) value = static_cast<float>(stream.next_uniform(-1, 1));
    model.tensors.push_back(f32_tensor(spec.name, spec.shape, values));
  }
  return model;
}

std::string tiny_ffn_tensor(int64_t layer, const std::string& matrix) {
  return "model.layers." + std::to_string(layer) + ".mlp." + matrix + "_proj.weight";
}

void write_hollow_model(const fs::path& folder, const TinySizes& sizes) {
  const std::vector<TensorSpec> specs = llama_tensors(sizes);
  uint64_t size = 0;
  for (const TensorSpec& spec : specs) size += spec.size_bytes();
  fs::create_directories(folder);
  write_bytes(folder / "config.json", llama_config(sizes).dump(2) + "\n");
  const std::string header = format_safetensors_header(specs, {{"format", "pt"}});
  write_bytes(folder / "model.safetensors", header);
  fs::resize_file(folder / "model.safetensors", header.size() + size);
}

}  // namespace prunenet::test
