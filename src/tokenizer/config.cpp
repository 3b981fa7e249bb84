// Side files of a tokenizer, as transformers writes them.
#include "tokenizer/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace prunenet::tokenization {
namespace {

namespace fs = std::filesystem;

// A token is a text, or an object that holds it.
std::optional<std::string> token_text(const JsonNode& node) {
  if (!node.present()) return std::nullopt;
  return node.is_object() ? node["content"].text() : node.text();
}

void add_special(const JsonNode& root, TokenizerConfig& config) {
  for (const char* role :
       {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
    if (const auto text = token_text(root[role])) config.special.push_back(*text);
  }
}

// Roles that no other place has filled.
void add_roles(const JsonNode& root, TokenizerConfig& config) {
  if (!config.unknown) config.unknown = token_text(root["unk_token"]);
  if (!config.padding) config.padding = token_text(root["pad_token"]);
  if (!config.separator) config.separator = token_text(root["sep_token"]);
}

TokenId id_of_key(const JsonNode& node, const std::string& key) {
  TokenId id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc{} || end != key.data() + key.size() || id < 0) {
    fail(ErrorCode::kFormat, node.where(), "'{}' is no token id", key);
  }
  return id;
}

}  // namespace

AddedToken read_added_token(const JsonNode& node, TokenId id) {
  AddedToken token;
  token.id = id;
  token.content = node["content"].text();
  token.special = node["special"].flag_or(false);
  token.single_word = node["single_word"].flag_or(false);
  token.lstrip = node["lstrip"].flag_or(false);
  token.rstrip = node["rstrip"].flag_or(false);
  token.normalized = node["normalized"].flag_or(!token.special);
  return token;
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config;
  std::map<TokenId, AddedToken> added;
  if (const fs::path path = folder / "added_tokens.json"; fs::exists(path)) {
    const JsonNode root = JsonNode::read(path);
    for (const auto& [content, id] : root.json().items()) {
      AddedToken token;
      token.id = root[content].number();
      token.content = content;
      added[token.id] = token;
    }
  }
  bool states_bos = false, states_eos = false;
  if (const fs::path path = folder / "tokenizer_config.json"; fs::exists(path)) {
    const JsonNode root = JsonNode::read(path);
    states_bos = root.json().contains("bos_token");
    states_eos = root.json().contains("eos_token");
    config.bos = token_text(root["bos_token"]);
    config.eos = token_text(root["eos_token"]);
    config.adds_bos = root["add_bos_token"].flag();
    config.adds_eos = root["add_eos_token"].flag();
    constexpr std::array<std::string_view, 6> kLlamaLike{"LlamaTokenizer",     "LlamaTokenizerFast",
                                                         "CodeLlamaTokenizer", "CodeLlamaTokenizerFast",
                                                         "GemmaTokenizer",     "GemmaTokenizerFast"};
    config.kind = root["tokenizer_class"].text_or("");
    config.is_llama_like = std::find(kLlamaLike.begin(), kLlamaLike.end(), config.kind) != kLlamaLike.end();
    config.adds_prefix_space = root["add_prefix_space"].flag_or(false);
    add_special(root, config);
    add_roles(root, config);
    if (const JsonNode tokens = root["added_tokens_decoder"]; tokens.present()) {
      if (!tokens.is_object()) tokens.reject("an object");
      for (const auto& item : tokens.json().items()) {
        const TokenId id = id_of_key(tokens, item.key());
        added[id] = read_added_token(tokens[item.key()], id);
      }
    }
  }
  if (const fs::path path = folder / "special_tokens_map.json"; fs::exists(path)) {
    const JsonNode root = JsonNode::read(path);
    add_special(root, config);
    add_roles(root, config);
    if (!states_bos) config.bos = token_text(root["bos_token"]);
    if (!states_eos) config.eos = token_text(root["eos_token"]);
  }
  for (auto& [id, token] : added) config.added.push_back(std::move(token));
  return config;
}

}  // namespace prunenet::tokenization
