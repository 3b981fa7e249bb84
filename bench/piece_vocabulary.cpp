// See piece_vocabulary.h.
#include "piece_vocabulary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

constexpr const char* kSpace = "▁";

// `count` pieces, shorter ones first: a character or an earlier piece and one letter more.
std::vector<std::string> make_pieces(size_t count) {
  std::vector<std::string> pieces, shorter{kSpace};
  for (char c = 'a'; c <= 'z'; ++c) shorter.emplace_back(1, c);
  while (true) {
    std::vector<std::string> longer;
    for (const std::string& start : shorter) {
      for (char c = 'a'; c <= 'z'; ++c) {
        if (pieces.size() == count) return pieces;
        pieces.push_back(longer.emplace_back(start + c));
      }
    }
    shorter = std::move(longer);
  }
}

// SentencePiece joins any two neighbours whose text is a piece, the best piece first: as merges, every way to split
// each piece into two, in the order of the pieces.
Json all_merges(const std::vector<std::string>& pieces, const Json& vocabulary) {
  Json merges = Json::array();
  for (const std::string& piece : pieces) {
    for (size_t at = 1; at < piece.size(); ++at) {
      const std::string left = piece.substr(0, at), right = piece.substr(at);
      if (vocabulary.contains(left) && vocabulary.contains(right)) merges.push_back({left, right});
    }
  }
  return merges;
}

Json space_by(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

}  // namespace

std::map<std::string, std::string> piece_vocabulary(int64_t tokens) {
  PRUNENET_CHECK(tokens >= kSmallestPieceVocabulary);
  Json vocabulary = Json::object(), added = Json::array();
  for (const char* text : {"<unk>", "<s>", "</s>"}) {
    added.push_back({{"id", vocabulary.size()},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
    vocabulary[text] = vocabulary.size();
  }
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(fmt::format("<0x{:02X}>", byte));
  std::vector<std::string> characters{kSpace};
  for (char c = '!'; c <= '~'; ++c) characters.emplace_back(1, c);
  const auto pieces = make_pieces(static_cast<size_t>(tokens) - 3 - texts.size() - characters.size());
  texts.insert(texts.end(), pieces.begin(), pieces.end());
  texts.insert(texts.end(), characters.begin(), characters.end());
  for (const std::string& text : texts) vocabulary[text] = vocabulary.size();
  const Json first{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
      second{{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json tokenizer{
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpace}}, space_by(" ", kSpace)}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {first, second}},
        {"pair", {first, second}},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {space_by(kSpace, " "),
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocabulary},
        {"merges", all_merges(pieces, vocabulary)}}}};
  const Json config{{"tokenizer_class", "LlamaTokenizer"},
                    {"bos_token", "<s>"},
                    {"eos_token", "</s>"},
                    {"unk_token", "<unk>"},
                    {"add_bos_token", true},
                    {"add_eos_token", false},
                    {"legacy", true}};
  return {{"tokenizer.json", tokenizer.dump(1) + "\n"}, {"tokenizer_config.json", config.dump(1) + "\n"}};
}

}  // namespace prunenet
