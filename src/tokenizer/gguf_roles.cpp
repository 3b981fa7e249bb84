// Which tokens play a part, and the template of chats.
#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "base/file.h"
#include "tokenizer/gguf_folder.h"

namespace prunenet::tokenization {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTemplateBytes = uint64_t{16} << 20;

// "chat_template": a text, or a list of named ones, of which the one called "default" counts.
std::string chat_template_in(const JsonNode& node) {
  if (!node.present()) return {};
  if (node.is_string()) return node.text();
  std::string found;
  for (size_t i = 0; i < node.size(); ++i) {
    const JsonNode entry = node.element(i);
    if (entry["name"].text_or("") == "default") found = entry["template"].text();
  }
  return found;
}

std::string read_chat_template(const fs::path& folder) {
  if (const fs::path path = folder / "chat_template.jinja"; fs::exists(path))
    return read_text_file(path, kMaxTemplateBytes);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (!fs::exists(folder / name)) continue;
    std::string found = chat_template_in(JsonNode::read(folder / name)["chat_template"]);
    if (!found.empty()) return found;
  }
  return {};
}

// A number of config.json or generation_config.json; of a list the first.
std::optional<TokenId> id_in(const JsonNode& node, size_t size) {
  if (!node.present()) return std::nullopt;
  const auto& json = node.json();
  const auto& value = json.is_array() && !json.empty() ? json[0] : json;
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= size) return std::nullopt;
  return value.get<TokenId>();
}

}  // namespace

void set_roles(const fs::path& folder, const TokenizerConfig& config, GgufVocabulary& vocabulary) {
  std::unordered_map<std::string_view, TokenId> ids;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    ids.emplace(vocabulary.tokens[id], static_cast<TokenId>(id));
  }
  struct Role {
    const std::optional<std::string>& text;
    std::optional<TokenId>& id;
    const char* key;
  };
  const Role roles[] = {{config.bos, vocabulary.bos, "bos_token_id"},
                        {config.eos, vocabulary.eos, "eos_token_id"},
                        {config.unknown, vocabulary.unknown, "unk_token_id"},
                        {config.padding, vocabulary.padding, "pad_token_id"},
                        {config.separator, vocabulary.separator, "sep_token_id"}};
  for (const Role& role : roles) {
    if (!role.text) continue;
    if (const auto found = ids.find(*role.text); found != ids.end()) role.id = found->second;
  }
  for (const char* name : {"config.json", "generation_config.json"}) {
    if (!fs::exists(folder / name)) continue;
    const JsonNode root = JsonNode::read(folder / name);
    for (const Role& role : roles) {
      if (!role.id) role.id = id_in(root[role.key], vocabulary.tokens.size());
    }
  }
  vocabulary.chat_template = read_chat_template(folder);
}

void set_added_around(const Tokenizer& tokenizer, GgufVocabulary& vocabulary, const std::string& where) {
  std::vector<TokenId> around = tokenizer.encode("");
  const bool adds_bos = !around.empty() && tokenizer.bos() && around.front() == *tokenizer.bos();
  if (adds_bos) around.erase(around.begin());
  const bool adds_eos = !around.empty() && tokenizer.eos() && around.back() == *tokenizer.eos();
  if (adds_eos) around.pop_back();
  if (!around.empty()) {
    fail(ErrorCode::kUnsupported, where, "'{}' is put around every text; GGUF knows only BOS and EOS there",
         tokenizer.token(around.front()));
  }
  for (const auto& id : {adds_bos ? tokenizer.bos() : std::nullopt, adds_eos ? tokenizer.eos() : std::nullopt}) {
    if (!id || static_cast<size_t>(*id) < vocabulary.tokens.size()) continue;
    fail(ErrorCode::kMismatch, where, "'{}' is put around every text; its id is {}, but the model has only {} tokens",
         tokenizer.token(*id), *id, vocabulary.tokens.size());
  }
  // What is added has to be named; the tokenizer knows it where the files do not say.
  if (adds_bos) vocabulary.bos = tokenizer.bos();
  if (adds_eos) vocabulary.eos = tokenizer.eos();
  vocabulary.add_bos = adds_bos;
  vocabulary.add_eos = adds_eos;
}

}  // namespace prunenet::tokenization
