// Small GGUF files of the architecture llama, made on the spot, with matrices of any type. Their bytes are random, with
// scales that keep the numbers small.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/gguf_writer.h"
#include "support/support.h"

namespace prunenet::test {

/// Types that a file is tried with.
inline const std::vector<Dtype> kGgufDtypes{Dtype::kF32,  Dtype::kF16,  Dtype::kBf16, Dtype::kQ4_0,
                                            Dtype::kQ4_1, Dtype::kQ5_0, Dtype::kQ5_1, Dtype::kQ8_0,
                                            Dtype::kQ4K,  Dtype::kQ5K,  Dtype::kQ6K};

/// Bytes of `elements` numbers, random, finite and below a hundred or so.
inline std::string random_bytes(Dtype dtype, int64_t elements, std::mt19937& random) {
  std::string bytes(dtype_bytes(dtype, static_cast<uint64_t>(elements)), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const size_t step = dtype_block_bytes(dtype);
  const auto put = [&](size_t at, uint16_t bits) { std::memcpy(bytes.data() + at, &bits, sizeof bits); };
  const auto mantissa = [&](uint32_t bits) { return static_cast<uint16_t>(random() & ((1u << bits) - 1)); };
  for (size_t block = 0; block < bytes.size(); block += step) {
    switch (dtype) {
      case Dtype::kF32:  // in [0.5, 1), as all below near it
        put(block + 2, static_cast<uint16_t>(0x3f00 | mantissa(7)));
        break;
      case Dtype::kBf16:
        put(block, static_cast<uint16_t>(0x3f00 | mantissa(7)));
        break;
      case Dtype::kQ6K:
        put(block + 208, static_cast<uint16_t>(0x2c00 | mantissa(10)));
        break;
      case Dtype::kQ4_1:
      case Dtype::kQ5_1:
      case Dtype::kQ4K:
      case Dtype::kQ5K:
        put(block + 2, static_cast<uint16_t>(0x2c00 | mantissa(10)));  // the scale of the minima
        [[fallthrough]];
      default:
        put(block, static_cast<uint16_t>(0x2c00 | mantissa(10)));  // F16 itself, or the scale: in [1/16, 1/8)
    }
  }
  return bytes;
}

struct TinyGguf {
  int64_t hidden = 256, width = 768, layers = 3, heads = 4, kv_heads = 2, vocab = 12;
  GgufMetadata metadata{};
  std::vector<TestTensor> tensors{};

  int64_t head_dim() const { return hidden / heads; }
  TestTensor& tensor(const std::string& name) {
    for (TestTensor& tensor : tensors) {
      if (tensor.spec.name == name) return tensor;
    }
    throw std::out_of_range(name);
  }
  void write(const std::filesystem::path& path) const {
    std::vector<TensorSpec> specs;
    for (const TestTensor& tensor : tensors) specs.push_back(tensor.spec);
    GgufWriter writer(path, metadata, specs);
    for (const TestTensor& tensor : tensors) writer.append(std::as_bytes(std::span(tensor.bytes)));
    writer.finish();
  }
};

/// `types`: of the tensors of these roles ("ffn_down"); the others, norms excepted, are `dtype`.
inline TinyGguf tiny_gguf(Dtype dtype, const std::map<std::string, Dtype>& types = {}, TinyGguf made = {}) {
  GgufMetadata& keys = made.metadata;
  const auto u32 = [&](const std::string& key, int64_t value) {
    keys.set(key, GgufValue::of_u32(static_cast<uint32_t>(value)));
  };
  keys.set("general.architecture", GgufValue::of_text("llama"));
  keys.set("general.name", GgufValue::of_text("tiny"));
  u32("general.file_type", 15);
  keys.set("general.size_label", GgufValue::of_text("2.9M"));
  keys.set("general.tags", GgufValue::of_texts({"one", "two"}));
  u32("llama.block_count", made.layers);
  u32("llama.context_length", 64);
  u32("llama.embedding_length", made.hidden);
  u32("llama.feed_forward_length", made.width);
  u32("llama.attention.head_count", made.heads);
  u32("llama.attention.head_count_kv", made.kv_heads);
  keys.set("llama.attention.layer_norm_rms_epsilon", GgufValue::of_f32(1e-5f));
  keys.set("llama.rope.freq_base", GgufValue::of_f32(10000));
  keys.set("tokenizer.ggml.model", GgufValue::of_text("llama"));
  std::vector<std::string> tokens;
  for (int64_t i = 0; i < made.vocab; ++i) tokens.push_back("t" + std::to_string(i));
  keys.set("tokenizer.ggml.tokens", GgufValue::of_texts(tokens));
  keys.set("tokenizer.ggml.scores", GgufValue::of_f32s(std::vector<float>(tokens.size(), -1.5f)));
  u32("tokenizer.ggml.bos_token_id", 1);
  keys.set("tokenizer.ggml.add_bos_token", GgufValue::of_bool(true));
  keys.set("own.key", GgufValue::of_u64(uint64_t{1} << 40));

  std::mt19937 random(7);
  const auto add = [&](const std::string& name, Dtype type, std::vector<int64_t> shape) {
    TensorSpec spec{name, type, std::move(shape)};
    std::string bytes = random_bytes(type, spec.num_elements(), random);
    made.tensors.push_back({std::move(spec), std::move(bytes)});
  };
  add("token_embd.weight", dtype, {made.vocab, made.hidden});
  for (int64_t layer = 0; layer < made.layers; ++layer) {
    const auto matrix = [&](const std::string& role, int64_t rows, int64_t cols) {
      const auto found = types.find(role);
      add("blk." + std::to_string(layer) + "." + role + ".weight", found == types.end() ? dtype : found->second,
          {rows, cols});
    };
    const auto norm = [&](const std::string& role) {
      add("blk." + std::to_string(layer) + "." + role + ".weight", Dtype::kF32, {made.hidden});
    };
    const int64_t shared = made.kv_heads * made.head_dim();
    norm("attn_norm");
    matrix("attn_q", made.hidden, made.hidden);
    matrix("attn_k", shared, made.hidden);
    matrix("attn_v", shared, made.hidden);
    matrix("attn_output", made.hidden, made.hidden);
    norm("ffn_norm");
    matrix("ffn_gate", made.width, made.hidden);
    matrix("ffn_up", made.width, made.hidden);
    matrix("ffn_down", made.hidden, made.width);
  }
  add("output_norm.weight", Dtype::kF32, {made.hidden});
  return made;
}

inline std::string blk(int64_t layer, const std::string& role) {
  return "blk." + std::to_string(layer) + "." + role + ".weight";
}

inline std::string bytes_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto bytes = checkpoint.bytes(checkpoint.at(name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Dtype dtype_of(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.at(name).stored.spec.dtype;
}

/// The numbers of a tensor.
inline std::vector<float> numbers_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorSpec& spec = checkpoint.at(name).stored.spec;
  std::vector<float> values(static_cast<size_t>(spec.num_elements()));
  widen<float>(checkpoint.bytes(checkpoint.at(name)).data(), spec.dtype, values.size(), values.data());
  return values;
}

}  // namespace prunenet::test
