// The demo model's config, tokenizer and model card.
#include "demo_texts.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "demo_weights.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kPadId = 0, kBosId = 1, kEosId = 2, kFirstByteId = 3;
constexpr const char* kTransformersVersion = "4.41.0";

std::string config_json() {
  const Json config{
      {"architectures", Json::array({"LlamaForCausalLM"})},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"bos_token_id", kBosId},
      {"eos_token_id", kEosId},
      {"hidden_act", "silu"},
      {"hidden_size", kDemoShape.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", kDemoShape.ffn},
      {"max_position_embeddings", kDemoShape.positions},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"num_attention_heads", kDemoShape.heads},
      {"num_hidden_layers", kDemoShape.layers},
      {"num_key_value_heads", kDemoShape.kv_heads},
      {"pad_token_id", kPadId},
      {"pretraining_tp", 1},
      {"rms_norm_eps", 1e-05},
      {"rope_scaling", nullptr},
      {"rope_theta", 10000.0},
      {"tie_word_embeddings", true},
      {"torch_dtype", "bfloat16"},
      {"transformers_version", kTransformersVersion},
      {"use_cache", true},
      {"vocab_size", kDemoShape.vocab},
  };
  return config.dump(2) + "\n";
}

std::string generation_config_json() {
  const Json config{{"_from_model_config", true},
                    {"bos_token_id", kBosId},
                    {"eos_token_id", kEosId},
                    {"pad_token_id", kPadId},
                    {"transformers_version", kTransformersVersion}};
  return config.dump(2) + "\n";
}

// The character by which GPT-2's vocabulary writes a byte: itself where it is printable and no space, else the next
// free one from U+0100 on. In UTF-8.
std::vector<std::string> byte_symbols() {
  std::vector<std::string> symbols;
  unsigned next_free = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const unsigned code = printable ? byte : next_free++;
    std::string utf8;
    if (code < 0x80) {
      utf8 = static_cast<char>(code);
    } else {
      utf8 = {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
    }
    symbols.push_back(utf8);
  }
  return symbols;
}

Json special_token(const char* content) {
  return {{"content", content}, {"lstrip", false},      {"normalized", false},
          {"rstrip", false},    {"single_word", false}, {"special", true}};
}

Json byte_level(bool add_prefix_space) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
}

// Puts <s> before a text, as Llama does.
Json post_processor() {
  const auto part = [](const char* kind, const char* id, int type) {
    Json json;
    json[kind] = {{"id", id}, {"type_id", type}};
    return json;
  };
  const auto token = [&](int type) { return part("SpecialToken", "<s>", type); };
  const auto text = [&](const char* id, int type) { return part("Sequence", id, type); };
  Json processor;
  processor["type"] = "TemplateProcessing";
  processor["single"] = Json::array({token(0), text("A", 0)});
  processor["pair"] = Json::array({token(0), text("A", 0), token(1), text("B", 1)});
  processor["special_tokens"]["<s>"] = {
      {"id", "<s>"}, {"ids", Json::array({kBosId})}, {"tokens", Json::array({"<s>"})}};
  return processor;
}

std::string tokenizer_json() {
  Json vocab{{"<pad>", kPadId}, {"<s>", kBosId}, {"</s>", kEosId}};
  int id = kFirstByteId;
  for (const std::string& symbol : byte_symbols()) vocab[symbol] = id++;

  Json added = Json::array();
  for (const char* content : {"<pad>", "<s>", "</s>"}) {
    Json token;
    token["id"] = vocab[content];
    token.update(special_token(content));
    added.push_back(std::move(token));
  }
  Json tokenizer{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  tokenizer["added_tokens"] = std::move(added);
  tokenizer["normalizer"] = nullptr;
  tokenizer["pre_tokenizer"] = byte_level(false);
  tokenizer["post_processor"] = post_processor();
  tokenizer["decoder"] = byte_level(true);
  tokenizer["model"] = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"vocab", std::move(vocab)},
                        {"merges", Json::array()}};
  return tokenizer.dump(2) + "\n";
}

std::string tokenizer_config_json() {
  Json config;
  config["add_prefix_space"] = false;
  config["added_tokens_decoder"] = {{std::to_string(kPadId), special_token("<pad>")},
                                    {std::to_string(kBosId), special_token("<s>")},
                                    {std::to_string(kEosId), special_token("</s>")}};
  config["bos_token"] = "<s>";
  config["clean_up_tokenization_spaces"] = false;
  config["eos_token"] = "</s>";
  config["model_max_length"] = kDemoShape.positions;
  config["pad_token"] = "<pad>";
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  return config.dump(2) + "\n";
}

std::string model_card(uint64_t seed) {
  return fmt::format(R"(---
library_name: transformers
tags:
- prunenet
- demo
---

# prunenet demo model

A Llama of about one million parameters, for trying prunenet without a download. It was made by
`prunenet-make-demo-model --seed {}`, a program of the prunenet repository. Nothing in it was trained or taken from
another model: **it cannot talk**, and what it generates is noise.

- Shape: hidden size {}, {} layers, FFN width {}, {} heads, {} key/value heads, vocabulary {}, tied embeddings, bf16.
- Weights: random numbers with structure. Every FFN matrix is a sum of rank-one parts whose weights fall like a power of
  their rank (k^-1/2 in the first layer, steeper in later ones), plus a small noise floor. Neurons differ in size, a few
  by much; a neuron's gate row, up row and down column share part of their structure.
- Tokenizer: byte-level BPE without merges, so one token a byte, after `<pad>`, `<s>` and `</s>`.
- The same seed gives the same bytes on every machine.
)",
                     seed, kDemoShape.hidden, kDemoShape.layers, kDemoShape.ffn, kDemoShape.heads, kDemoShape.kv_heads,
                     kDemoShape.vocab);
}

}  // namespace

std::map<std::string, std::string> demo_texts(uint64_t seed) {
  return {{"README.md", model_card(seed)},
          {"config.json", config_json()},
          {"generation_config.json", generation_config_json()},
          {"tokenizer.json", tokenizer_json()},
          {"tokenizer_config.json", tokenizer_config_json()}};
}

}  // namespace prunenet
