// Tokenizers made on the spot.
#include "tokenizer/folders.h"

#include <fmt/format.h>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace prunenet::test {

std::unique_ptr<Tokenizer> open_json(const Json& tokenizer) {
  return TokenizerFolder(tokenizer).open();
}

Json merges_json(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json list = Json::array();
  for (const auto& [left, right] : merges) list.push_back(Json::array({left, right}));
  return list;
}

Json byte_level_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    tokenization::append_code_point(text, tokenization::byte_level_character(static_cast<unsigned char>(byte)));
    vocabulary[text] = byte;
  }
  for (const auto& [left, right] : merges) {
    if (!vocabulary.contains(left + right)) vocabulary[left + right] = vocabulary.size();
  }
  const Json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", byte_level},
          {"decoder", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges_json(merges)}}}};
}

std::vector<std::pair<std::string, std::string>> all_splits(const std::vector<std::string>& texts,
                                                            const Json& vocabulary) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& text : texts) {
    for (size_t at = 1; at < text.size(); ++at) {
      const std::string left = text.substr(0, at), right = text.substr(at);
      if (vocabulary.contains(left) && vocabulary.contains(right)) merges.emplace_back(left, right);
    }
  }
  return merges;
}

Json llama_normalizer() {
  return {{"type", "Sequence"},
          {"normalizers",
           {{{"type", "Prepend"}, {"prepend", "▁"}},
            {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}};
}

Json llama_decoder() {
  return {{"type", "Sequence"},
          {"decoders",
           {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
            {{"type", "ByteFallback"}},
            {{"type", "Fuse"}},
            {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
}

Json spm_tokenizer(const std::vector<std::string>& pieces) {
  Json vocabulary{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = 3 + byte;
  for (const std::string& piece : pieces) vocabulary[piece] = vocabulary.size();
  Json added = Json::array();
  for (const char* text : {"<unk>", "<s>", "</s>"}) {
    added.push_back({{"id", vocabulary[text]}, {"content", text}, {"special", true}, {"normalized", false}});
  }
  return {{"added_tokens", added},
          {"normalizer", llama_normalizer()},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", llama_decoder()},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocabulary},
            {"merges", merges_json(all_splits(pieces, vocabulary))}}}};
}

std::vector<TokenId> bare_ids(const Tokenizer& tokenizer, const std::string& text, bool parse_special) {
  return tokenizer.encode(text, {.add_special = false, .parse_special = parse_special});
}

}  // namespace prunenet::test
