// See vocabulary.h.
#include "llama_cpp/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "support/support.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/folders.h"
#include "tokenizer/unicode.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Symbols = std::vector<std::string>;

// What the merges are learnt from. Words come again, so that long tokens arise.
constexpr const char* kText =
    "Once upon a time there was a little house by the sea. In the house there lived an old man and his cat. The cat "
    "liked to sit in the sun and watch the birds, and the old man liked to tell her stories of the time when he was "
    "young. \"There was a ship,\" he said, \"and there were twelve of us. We sailed for 40 days and 40 nights, from "
    "1912 "
    "to 1913, and we didn't see land.\" The cat looked at him and said nothing, for cats don't talk. But she thought: "
    "that's a good story, and I'll hear it again tomorrow. Then the little bird that lived in the tree by the house "
    "began "
    "to sing, and the man listened, and the sun went down into the sea. It's the end of the day, he thought, and what "
    "a "
    "day it was! They've had their supper of fish and bread; they'd had the same the day before. The house was warm, "
    "the "
    "wind was in the trees, and the stars came out one after the other over the water. "
    "In the morning the cat went out alone. Near the harbour some children were playing with a red ball, and a woman "
    "sold "
    "apples, pears and yellow flowers. \"Good morning, cat,\" said the woman; \"where's your friend today?\" The cat "
    "couldn't answer. Behind the market she found a narrow street, where an empty boat lay upside down between two "
    "walls. "
    "Nobody had used it since winter. She jumped on top, looked around, and waited until evening came. Perhaps, she "
    "thought, we should travel together: he knows how to sail, and I know which fish are best.";

std::string character(char32_t code_point) {
  std::string text;
  tokenization::append_code_point(text, code_point);
  return text;
}

// Learns BPE: merges the most frequent pair of neighbours (the first in order where several are), `count` times. Gives
// the merges in order; a pair whose text is a token already counts as well.
std::vector<std::pair<std::string, std::string>> learn_merges(std::vector<Symbols> words, size_t count) {
  std::vector<std::pair<std::string, std::string>> merges;
  std::set<std::string> known;
  while (known.size() < count) {
    std::map<std::pair<std::string, std::string>, int> pairs;
    for (const Symbols& word : words) {
      for (size_t i = 1; i < word.size(); ++i) ++pairs[{word[i - 1], word[i]}];
    }
    if (pairs.empty()) throw std::logic_error("the text is too short for that many merges");
    const auto best = std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
                        return a.second < b.second;
                      })->first;
    merges.push_back(best);
    known.insert(best.first + best.second);
    for (Symbols& word : words) {
      for (size_t i = 1; i < word.size(); ++i) {
        if (word[i - 1] != best.first || word[i] != best.second) continue;
        word[i - 1] += word[i];
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  return merges;
}

// The words of kText as ASCII symbols, each with `space` before it; letters, digits and what else there is stand apart.
// No space before digits: falcon cuts there, and llama.cpp's rule for it relies on no such token.
std::vector<Symbols> words_of_text(const std::string& space) {
  const auto kind = [](char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return 'a';
    return c >= '0' && c <= '9' ? '0' : '.';
  };
  std::vector<Symbols> words{{space}};
  char before = ' ';
  for (const char* c = kText; *c != '\0'; ++c) {
    if (*c == ' ') {
      words.push_back({space});
    } else if (before == ' ' ? kind(*c) != '0' : kind(before) == kind(*c)) {
      words.back().emplace_back(1, *c);
    } else {
      words.push_back({std::string(1, *c)});
    }
    before = *c;
  }
  return words;
}

Json added_token(int64_t id, const std::string& text, bool special = true, bool normalized = false) {
  return {{"id", id},        {"content", text},          {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", normalized}, {"special", special}};
}

// BOS in front of each text.
Json bos_template(const std::string& bos) {
  const Json token{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}}, text{{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json second{{"SpecialToken", {{"id", bos}, {"type_id", 1}}}}, pair{{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"type", "TemplateProcessing"},
          {"single", {token, text}},
          {"pair", {token, text, second, pair}},
          {"special_tokens", {{bos, {{"id", bos}, {"ids", {1}}, {"tokens", {bos}}}}}}};
}

Json byte_level_step(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json split_step(const std::string& expression) {
  return {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}};
}

Json sequence(Json steps) {
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

bool is_pieces(VocabularyKind kind) {
  return kind == VocabularyKind::kLlama || kind == VocabularyKind::kPhi3 || kind == VocabularyKind::kGemma;
}

// Pieces by rank: those that were learnt, then every printable character of ASCII.
Json pieces_json(VocabularyKind kind, int64_t rows) {
  const bool gemma = kind == VocabularyKind::kGemma;
  const std::vector<std::string> specials = gemma ? std::vector<std::string>{"<pad>", "<bos>", "<eos>", "<unk>"}
                                                  : std::vector<std::string>{"<unk>", "<s>", "</s>"};
  const std::vector<std::string> behind =
      kind == VocabularyKind::kPhi3 ? std::vector<std::string>{"<|endoftext|>", "<|user|>", "<|end|>"} : Symbols{};
  const int64_t tokens = kind == VocabularyKind::kPhi3 ? rows - 5 : rows;
  std::vector<std::string> characters{"▁"};
  for (char c = '!'; c <= '~'; ++c) characters.emplace_back(1, c);
  const auto left = tokens - static_cast<int64_t>(specials.size() + 256 + characters.size() + behind.size());
  std::vector<std::string> pieces;
  for (const auto& [first, second] : learn_merges(words_of_text("▁"), static_cast<size_t>(left))) {
    if (std::find(pieces.begin(), pieces.end(), first + second) == pieces.end()) pieces.push_back(first + second);
  }
  pieces.insert(pieces.end(), characters.begin(), characters.end());

  Json json = spm_tokenizer(pieces);
  Json vocabulary = Json::object(), added = Json::array();
  for (const std::string& text : specials) {
    added.push_back(added_token(static_cast<int64_t>(vocabulary.size()), text));
    vocabulary[text] = vocabulary.size();
  }
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = vocabulary.size();
  for (const std::string& piece : pieces) vocabulary[piece] = vocabulary.size();
  for (const std::string& text : behind) {
    added.push_back(added_token(static_cast<int64_t>(vocabulary.size() + added.size() - specials.size()), text));
  }
  json["version"] = "1.0";
  json["added_tokens"] = added;
  json["post_processor"] = bos_template(gemma ? "<bos>" : "<s>");
  json["model"]["vocab"] = vocabulary;
  if (gemma) {
    json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
    json["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
    json["decoder"]["decoders"].erase(3);  // no space was put before the text
  }
  return json;
}

Json words_json(VocabularyKind kind) {
  switch (kind) {
    case VocabularyKind::kFalcon:
      return sequence({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                       byte_level_step(true),
                       {{"type", "Digits"}, {"individual_digits", false}},
                       split_step("[0-9][0-9][0-9]")});
    case VocabularyKind::kQwen2:
      return sequence(
          {split_step(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                      R"(\s*[\r\n]+|\s+(?!\S)|\s+)"),
           byte_level_step(false)});
    case VocabularyKind::kLlama3:
      return sequence(
          {split_step(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                      R"(\s*[\r\n]+|\s+(?!\S)|\s+)"),
           byte_level_step(false)});
    default:
      return byte_level_step(true);
  }
}

Json byte_level_json(VocabularyKind kind, int64_t rows) {
  const bool filled_up =
      kind == VocabularyKind::kNeox || kind == VocabularyKind::kPhi2 || kind == VocabularyKind::kQwen2;
  const int64_t tokens = filled_up ? rows - 12 : rows;
  Json vocabulary = Json::object(), added = Json::array();
  for (const char* text : {"<|padding|>", "<|startoftext|>", "<|endoftext|>"}) {
    added.push_back(added_token(static_cast<int64_t>(vocabulary.size()), text));
    vocabulary[text] = vocabulary.size();
  }
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[character(tokenization::byte_level_character(static_cast<unsigned char>(byte)))] = vocabulary.size();
  }
  const Symbols runs = kind == VocabularyKind::kPhi2 ? Symbols{"    ", "   ", "  "} : Symbols{};
  const int64_t left = tokens - static_cast<int64_t>(vocabulary.size() + runs.size());
  const auto merges = learn_merges(words_of_text("Ġ"), static_cast<size_t>(left));
  for (const auto& [first, second] : merges) {
    if (!vocabulary.contains(first + second)) vocabulary[first + second] = vocabulary.size();
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    added.push_back(added_token(static_cast<int64_t>(vocabulary.size() + i), runs[i], false, true));
  }
  const bool nfc = kind == VocabularyKind::kNeox || kind == VocabularyKind::kQwen2;
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nfc ? Json{{"type", "NFC"}} : Json()},
          {"pre_tokenizer", words_json(kind)},
          {"post_processor", kind == VocabularyKind::kLlama3 ? bos_template("<|startoftext|>") : byte_level_step(true)},
          {"decoder", byte_level_step(true)},
          {"model",
           {{"type", "BPE"},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", ""},
            {"end_of_word_suffix", ""},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary},
            {"merges", merges_json(merges)}}}};
}

Json config_json(VocabularyKind kind) {
  static const std::map<VocabularyKind, const char*> classes{
      {VocabularyKind::kLlama, "LlamaTokenizer"},           {VocabularyKind::kPhi3, "LlamaTokenizer"},
      {VocabularyKind::kGemma, "GemmaTokenizer"},           {VocabularyKind::kGpt2, "GPT2Tokenizer"},
      {VocabularyKind::kNeox, "GPTNeoXTokenizer"},          {VocabularyKind::kPhi2, "CodeGenTokenizer"},
      {VocabularyKind::kFalcon, "PreTrainedTokenizerFast"}, {VocabularyKind::kQwen2, "Qwen2Tokenizer"},
      {VocabularyKind::kLlama3, "PreTrainedTokenizerFast"}};
  Json config{
      {"tokenizer_class", classes.at(kind)}, {"clean_up_tokenization_spaces", false}, {"model_max_length", 128}};
  if (kind == VocabularyKind::kGemma) {
    config.update({{"bos_token", "<bos>"}, {"eos_token", "<eos>"}, {"pad_token", "<pad>"}, {"unk_token", "<unk>"}});
  } else if (is_pieces(kind)) {
    config.update({{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"legacy", true}});
  } else {
    config.update({{"bos_token", "<|startoftext|>"}, {"eos_token", "<|endoftext|>"}});
  }
  if (is_pieces(kind)) config.update({{"add_bos_token", true}, {"add_eos_token", false}});
  return config;
}

}  // namespace

VocabularyKind vocabulary_kind(std::string_view model_type) {
  static const std::map<std::string_view, VocabularyKind> kinds{
      {"llama", VocabularyKind::kLlama}, {"mistral", VocabularyKind::kLlama}, {"phi3", VocabularyKind::kPhi3},
      {"gemma", VocabularyKind::kGemma}, {"gpt2", VocabularyKind::kGpt2},     {"gpt_neox", VocabularyKind::kNeox},
      {"phi", VocabularyKind::kPhi2},    {"falcon", VocabularyKind::kFalcon}, {"qwen2", VocabularyKind::kQwen2}};
  const auto found = kinds.find(model_type);
  if (found == kinds.end()) throw std::invalid_argument("no kind of vocabulary for " + std::string(model_type));
  return found->second;
}

std::map<std::string, std::string> vocabulary_files(VocabularyKind kind, int64_t rows) {
  if (rows < 512) throw std::invalid_argument("a vocabulary needs 512 rows");
  const Json tokenizer = is_pieces(kind) ? pieces_json(kind, rows) : byte_level_json(kind, rows);
  return {{"tokenizer.json", tokenizer.dump(1)}, {"tokenizer_config.json", config_json(kind).dump(1)}};
}

void copy_with_vocabulary(const fs::path& model, const fs::path& target, VocabularyKind kind) {
  fs::create_directory(target);
  for (const auto& entry : fs::directory_iterator(model)) {
    const fs::path name = entry.path().filename();
    if (name == "config.json" || name.extension() == ".safetensors" || name == "model.safetensors.index.json") {
      fs::copy_file(entry.path(), target / name);
      fs::permissions(target / name, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  const Json config = Json::parse(read_bytes(target / "config.json"));
  for (const auto& [name, bytes] : vocabulary_files(kind, config["vocab_size"])) write_bytes(target / name, bytes);
}

void copy_with_vocabulary(const fs::path& model, const fs::path& target) {
  const Json config = Json::parse(read_bytes(model / "config.json"));
  copy_with_vocabulary(model, target, vocabulary_kind(config["model_type"].get<std::string>()));
}

const std::vector<std::string>& telling_texts() {
  static const std::vector<std::string> texts{
      "Once upon a time there was a cat.",
      " a space before, and behind ",
      "two  three   four    five     spaces",
      "tabs\tand\nlines\n\nand\r\nmore \n  indented",
      "1 12 123 1234 12345678 3.14 1,000",
      "It's what they'd said: I'LL, WE'VE, don't!",
      "a_b-c/d\\e (f) [g] {h} <i> \"j\" 'k' #l @m $n %o ^p &q *r",
      "naïve café ÄÖÜ straße",
      "Привет мир, γειά σου",
      "日本語のテキスト。中文",
      "🦙 👩‍👩‍👧 é",
      "!!!... ---===>>> ;;",
      "the<s>cat</s><unk><|endoftext|>",
      "",
      " ",
      "   ",
      "x",
  };
  return texts;
}

const std::vector<std::string>& special_texts() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> all;
    for (const std::string special : {"<s>", "</s>", "<unk>", "<bos>", "<eos>", "<pad>", "<|endoftext|>",
                                      "<|startoftext|>", "<|padding|>", "<|user|>", "<|end|>"}) {
      for (const std::string& text :
           {special, special + special, special + " " + special, "cat" + special + "man", special + " cat",
            special + "cat", "cat " + special, "cat" + special, "the " + special + " sea " + special + special + "  x",
            " " + special + " ", special + "\n"})
        all.push_back(text);
    }
    return all;
  }();
  return texts;
}

}  // namespace prunenet::test
