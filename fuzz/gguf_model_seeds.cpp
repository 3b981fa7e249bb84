// Seeds of whole models in GGUF: one layer, hidden 4, two heads, width 4, and vocabularies of a few tokens.
#include "seeds.h"

namespace prunenet::fuzz {
namespace {

constexpr uint32_t kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9;
constexpr uint32_t kTensorF32 = 0, kTensorF16 = 1;

std::string number_item(const std::string& key, uint64_t value) {
  return item(key, kU32, number(value, 4));
}

std::string real_item(const std::string& key, const std::string& bytes) {
  return item(key, kF32, bytes);
}

std::string texts_item(const std::string& key, const std::vector<std::string>& values) {
  std::string elements;
  for (const std::string& value : values) elements += text(value);
  return item(key, kArray, array(kString, values.size(), elements));
}

std::string numbers_item(const std::string& key, const std::vector<uint64_t>& values) {
  std::string elements;
  for (const uint64_t value : values) elements += number(value, 4);
  return item(key, kArray, array(kI32, values.size(), elements));
}

const std::string kSmall("\xac\xc5\x27\x37", 4);    // 1e-5
const std::string kTwo("\0\0\0\x40", 4);            // 2
const std::string kHalf("\0\0\0\x3f", 4);           // 0.5
const std::string kThousands("\0\x40\x1c\x46", 4);  // 10000

// Tensors behind each other, each at a multiple of 32.
struct Table {
  std::vector<std::string> entries;
  uint64_t bytes = 0;
  void add(const std::string& name, const std::vector<uint64_t>& extents) {
    const bool vector = extents.size() == 1;
    entries.push_back(tensor(name, extents, vector ? kTensorF32 : kTensorF16, bytes));
    uint64_t size = vector ? 4 : 2;
    for (const uint64_t extent : extents) size *= extent;
    bytes += (size + 31) / 32 * 32;
  }
  void linear(const std::string& name, uint64_t out, uint64_t in, bool bias) {
    add(name + ".weight", {in, out});
    if (bias) add(name + ".bias", {out});
  }
};

std::string model(const std::string& architecture, const std::vector<std::string>& further = {},
                  const std::vector<std::string>& vectors = {}) {
  const auto is = [&](const char* name) { return architecture == name; };
  const bool layer_norms = is("phi2") || is("falcon") || is("gptneox") || is("gpt2");
  const bool biases = layer_norms && !is("falcon"), fused = is("phi3") || (layer_norms && !is("phi2"));
  const uint64_t kv = biases ? 2 : 1, shared = 2 * kv;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  std::vector<std::string> items{
      item("general.architecture", kString, text(architecture)),
      number_item(key("block_count"), 1),
      number_item(key("context_length"), 64),
      number_item(key("embedding_length"), 4),
      number_item(key("feed_forward_length"), 4),
      number_item(key("attention.head_count"), 2),
      number_item(key("attention.head_count_kv"), kv),
      real_item(key(layer_norms ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"), kSmall)};
  if (is("gptneox")) items.push_back(item(key("use_parallel_residual"), kBool, std::string(1, '\1')));
  const auto stated = [](const std::string& one) { return one.substr(0, 8 + static_cast<unsigned char>(one[0])); };
  for (const std::string& one : further) {
    std::erase_if(items, [&](const std::string& other) { return stated(other) == stated(one); });
    items.push_back(one);
  }

  Table table;
  const auto norm = [&](const std::string& name) {
    table.add(name + ".weight", {4});
    if (layer_norms) table.add(name + ".bias", {4});
  };
  table.add("token_embd.weight", {4, 4});
  if (is("gpt2")) table.add("position_embd.weight", {4, 64});
  norm("output_norm");
  norm("blk.0.attn_norm");
  if (!is("phi2") && !is("falcon")) norm("blk.0.ffn_norm");
  if (fused) {
    table.linear("blk.0.attn_qkv", 4 + 2 * shared, 4, biases);
  } else {
    table.linear("blk.0.attn_q", 4, 4, biases || is("qwen2"));
    table.linear("blk.0.attn_k", shared, 4, biases || is("qwen2"));
    table.linear("blk.0.attn_v", shared, 4, biases || is("qwen2"));
  }
  table.linear("blk.0.attn_output", 4, 4, biases);
  if (!layer_norms && !is("phi3")) table.linear("blk.0.ffn_gate", 4, 4, false);
  table.linear("blk.0.ffn_up", is("phi3") ? 8 : 4, 4, biases);
  table.linear("blk.0.ffn_down", 4, 4, biases);
  if (is("phi2")) table.linear("output", 4, 4, true);
  for (const std::string& name : vectors) table.add(name, {1});
  return gguf(items, table.entries, table.bytes);
}

std::vector<std::string> pieces() {
  return {item("tokenizer.ggml.model", kString, text("llama")),
          item("tokenizer.ggml.pre", kString, text("default")),
          texts_item("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x41>", "\xe2\x96\x81", "a", "b", "ab",
                                               "\xe2\x96\x81"
                                               "ab",
                                               "<|x|>"}),
          item("tokenizer.ggml.scores", kArray, array(kF32, 10, std::string(40, '\0'))),
          numbers_item("tokenizer.ggml.token_type", {2, 3, 3, 6, 1, 1, 1, 1, 1, 4}),
          number_item("tokenizer.ggml.bos_token_id", 1),
          number_item("tokenizer.ggml.eos_token_id", 2),
          number_item("tokenizer.ggml.unknown_token_id", 0),
          item("tokenizer.ggml.add_bos_token", kBool, std::string(1, '\1')),
          item("tokenizer.ggml.add_space_prefix", kBool, std::string(1, '\0')),
          item("tokenizer.chat_template", kString, text("{{ messages }}"))};
}

std::vector<std::string> byte_level(const std::string& pre) {
  return {item("tokenizer.ggml.model", kString, text("gpt2")),
          item("tokenizer.ggml.pre", kString, text(pre)),
          texts_item("tokenizer.ggml.tokens", {"a", "b", "\xc4\xa0", "ab",
                                               "\xc4\xa0"
                                               "ab",
                                               "1", "<|endoftext|>"}),
          numbers_item("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 1, 3}),
          texts_item("tokenizer.ggml.merges", {"a b", "\xc4\xa0 ab"}),
          number_item("tokenizer.ggml.bos_token_id", 6),
          number_item("tokenizer.ggml.eos_token_id", 6),
          item("tokenizer.ggml.add_eos_token", kBool, std::string(1, '\1'))};
}

}  // namespace

Seeds gguf_model_seeds() {
  Seeds seeds;
  for (const char* name : {"llama", "qwen2", "phi2", "phi3", "falcon", "gptneox", "gpt2", "gemma"}) {
    seeds.emplace_back(std::string("model_") + name, model(name));
  }
  seeds.emplace_back("model_deci", model("deci", {numbers_item("deci.feed_forward_length", {4}),
                                                  numbers_item("deci.attention.head_count", {2}),
                                                  numbers_item("deci.attention.head_count_kv", {1})}));
  seeds.emplace_back("model_linear", model("llama", {real_item("llama.rope.freq_base", kThousands),
                                                     item("llama.rope.scaling.type", kString, text("linear")),
                                                     real_item("llama.rope.scaling.factor", kTwo)}));
  seeds.emplace_back("model_yarn", model("qwen2", {item("qwen2.rope.scaling.type", kString, text("yarn")),
                                                   real_item("qwen2.rope.scaling.factor", kTwo),
                                                   real_item("qwen2.rope.scaling.attn_factor", kHalf),
                                                   number_item("qwen2.rope.scaling.original_context_length", 32)}));
  seeds.emplace_back("model_freqs",
                     model("llama", {number_item("llama.rope.dimension_count", 2)}, {"rope_freqs.weight"}));
  seeds.emplace_back("model_factors", model("phi3",
                                            {number_item("phi3.rope.scaling.original_context_length", 16),
                                             number_item("phi3.attention.sliding_window", 9)},
                                            {"rope_factors_long.weight", "rope_factors_short.weight"}));
  seeds.emplace_back("model_vocabulary", model("llama", pieces()));
  seeds.emplace_back("vocabulary_pieces", gguf(pieces(), {}));
  for (const char* pre : {"llama-bpe", "gpt-2", "qwen2", "falcon", "default"}) {
    seeds.emplace_back(std::string("vocabulary_") + pre, gguf(byte_level(pre), {}));
  }
  seeds.emplace_back("vocabulary_none", gguf({item("tokenizer.ggml.model", kString, text("none"))}, {}));
  return seeds;
}

std::vector<std::string> gguf_model_words() {
  std::vector<std::string> words{text("a b"),
                                 text("<0x0A>"),
                                 text("[UNK]"),
                                 text("<unk>"),
                                 text("<|im_end|>"),
                                 text("\xe2\x96\x81"),
                                 text("yarn"),
                                 text("linear"),
                                 text("longrope"),
                                 text("none"),
                                 number(0, 4),
                                 number(2, 4),
                                 number(6, 4),
                                 number(~uint64_t{0}, 4),
                                 number(0x7fffffff, 4),
                                 std::string("\0\0\xc0\x7f", 4),
                                 std::string("\0\0\x80\x7f", 4)};
  for (const char* key : {"llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count",
                          "llama.attention.sliding_window", "llama.expert_count", "llama.vocab_size", "split.count",
                          "tokenizer.ggml.padding_token_id", "tokenizer.ggml.eot_token_id"}) {
    words.push_back(number_item(key, 2));
  }
  for (const char* key : {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token",
                          "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.remove_extra_whitespaces"}) {
    words.push_back(item(key, kBool, std::string(1, '\1')));
  }
  return words;
}

}  // namespace prunenet::fuzz
