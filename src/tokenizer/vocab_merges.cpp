// vocab.json and merges.txt as a tokenizer.json: byte-level BPE, as the converter of transformers makes it for GPT-2.
#include "tokenizer/vocab_merges.h"

#include <algorithm>
#include <array>

#include "base/file.h"

namespace prunenet::tokenization {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = uint64_t{64} << 20;

JsonNode::Json lines_of(const std::string& text) {
  JsonNode::Json lines = JsonNode::Json::array();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

bool has_vocab_and_merges(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "vocab.json", ignored) && fs::exists(folder / "merges.txt", ignored);
}

JsonNode read_vocab_and_merges(const fs::path& folder, const TokenizerConfig& config) {
  constexpr std::array<std::string_view, 3> kGpt2Like{"", "GPT2Tokenizer", "GPT2TokenizerFast"};
  if (std::find(kGpt2Like.begin(), kGpt2Like.end(), config.kind) == kGpt2Like.end()) {
    fail(ErrorCode::kUnsupported, (folder / "vocab.json").string(),
         "belongs to a {}, of which vocab.json and merges.txt do not say enough; save a tokenizer.json beside it",
         config.kind);
  }
  const JsonNode vocabulary = JsonNode::read(folder / "vocab.json");
  JsonNode::Json added = JsonNode::Json::array();
  const auto add = [&](const std::string& content, TokenId id, bool special) {
    for (const auto& known : added) {
      if (known["content"] == content) return;
    }
    added.push_back({{"id", id}, {"content", content}, {"special", special}, {"normalized", false}});
  };
  for (const std::string& content : config.special) {
    const JsonNode id = vocabulary[content];
    if (id.present()) add(content, id.number(), true);
  }
  for (const AddedToken& token : config.added) add(token.content, token.id, token.special);
  const JsonNode::Json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", config.adds_prefix_space}, {"use_regex", true}};
  const JsonNode::Json model{{"type", "BPE"},
                             {"vocab", vocabulary.json()},
                             {"merges", lines_of(read_text_file(folder / "merges.txt", kMaxBytes))}};
  return JsonNode::of(
      {{"added_tokens", added}, {"pre_tokenizer", byte_level}, {"decoder", byte_level}, {"model", model}},
      (folder / "vocab.json").string() + " and merges.txt");
}

}  // namespace prunenet::tokenization
