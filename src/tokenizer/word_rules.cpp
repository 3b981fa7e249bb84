// The table of word rules.
#include "tokenizer/word_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

using Expressions = std::vector<std::string>;

const std::string kContractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const std::string kPublishedContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const std::string kSpaces = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kDigit = R"(\p{N})";
const std::string kFalconMarks = R"([\p{P}\$\+<=>\^~\|`]+)";
const std::string kThreeDigits = "[0-9][0-9][0-9]";

// Letters with one character before them, numbers, marks with line ends behind them, spaces.
std::string modern(const std::string& contractions, const std::string& numbers) {
  return contractions + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" + numbers + R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + kSpaces;
}

// Words change where small letters become capital ones. llama.cpp tells the cases of ASCII letters only.
std::string cased(const std::string& suffix, const std::string& numbers) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)", upper = R"(((?=[\p{L}])([^a-z])))",
                    lower = R"(((?=[\p{L}])([^A-Z])))";
  return before + upper + "*" + lower + "+" + suffix + "|" + before + upper + "+" + lower + "*" + suffix + "|" +
         numbers + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + kSpaces;
}

std::string published_cased(const std::string& suffix, const std::string& numbers) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)", upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])",
                    lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  return before + upper + "*" + lower + "+" + suffix + "|" + before + upper + "+" + lower + "*" + suffix + "|" +
         numbers + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + kSpaces;
}

const std::string kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
// llama.cpp takes no space for a member of these classes, wherever the published ranges reach over one.
const std::string kCjk =
    R"([\x{800}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff})"
    R"(\x{3001}-\x{9fa5}\x{ac00}-\x{d7ff}]+)";
const std::string kPublishedCjk = R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";
const std::string kDeepseekMarks =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" +
    kSpaces;
// The letters that have two cases.
const std::string kCasedLetters =
    R"(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5})"
    R"(\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd})"
    R"(\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15})"
    R"(\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d})"
    R"(\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb})"
    R"(\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d})"
    R"(\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e})"
    R"(\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d})"
    R"(\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06})"
    R"(\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb})"
    R"(\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)";
const std::string kMarksOfTwoWidths =
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3001}\x{3002}]+)";

const std::string kPublishedMarksOfTwoWidths =
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)";

struct Entry {
  std::vector<std::string_view> names;  // the first is the one that is written
  WordRule rule;
  std::vector<Expressions> published = {};  // what tokenizer.json has in its place
  bool merging_varies = false;              // a published tokenizer.json may leave out "ignore_merges"
};

// Escapes of line ends and of characters beyond ASCII as the characters themselves.
std::string written_out(std::string_view expression) {
  std::string all;
  for (size_t at = 0; at < expression.size();) {
    if (expression[at] != '\\' || at + 1 == expression.size()) {
      all += expression[at++];
      continue;
    }
    const char kind = expression[at + 1];
    const size_t end = kind == 'x' ? expression.find('}', at) : expression.npos;
    uint32_t value = 0;
    const bool is_number =
        end != expression.npos && expression[at + 2] == '{' &&
        std::from_chars(expression.data() + at + 3, expression.data() + end, value, 16).ptr == expression.data() + end;
    if (kind == 'r' || kind == 'n') {
      all += kind == 'r' ? '\r' : '\n';
      at += 2;
    } else if (is_number && value >= 0x80 && value <= 0x10ffff) {
      append_code_point(all, value);
      at = end + 1;
    } else {
      all.append(expression.substr(at, 2));
      at += 2;
    }
  }
  return all;
}

Expressions written_out(const Expressions& expressions) {
  Expressions all;
  for (const std::string& expression : expressions) all.push_back(written_out(std::string_view(expression)));
  return all;
}

const std::vector<Entry>& table() {
  static const std::vector<Entry> entries = [] {
    const std::string gpt2 = kByteLevelRegex;
    const std::string shorter_gpt2 = gpt2.substr(0, gpt2.rfind("|"));  // spaces that are left over stand by themselves
    const std::string three = R"(\p{N}{1,3})";
    const auto llm = [](const std::string& numbers) {
      return Expressions{R"([\r\n])", kCasedLetters, kPublishedMarksOfTwoWidths, R"(\s+$)", kPublishedCjk, numbers};
    };
    // Its own file has each digit by itself; no merge of its vocabulary joins two.
    const std::vector<Expressions> deepseek_llm{llm(kDigit), llm(R"(\p{N}+)")};
    const auto both = [&](const std::string& numbers) { return Expressions{modern(kPublishedContractions, numbers)}; };
    return std::vector<Entry>{
        {{"default"}, {{R"([\p{P}\$\+<=>\^~\|]+)", gpt2, R"(\p{N}+)", kThreeDigits}}},
        {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
         {{modern(kContractions, three)}, true, true},
         {both(three)}},
        {{"smaug-bpe", "dbrx", "glm4", "chatglm-bpe"}, {{modern(kContractions, three)}}, {both(three)}},
        {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "jina-es", "jina-de",
          "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0", "mellum", "modern-bert"},
         {{gpt2}},
         {{shorter_gpt2}}},
        {{"qwen2", "stablelm2", "megrez", "hunyuan", "deepseek-r1-qwen", "kormo", "f2llmv2", "grok-2", "solar-open"},
         {{modern(kContractions, kDigit)}},
         {both(kDigit)}},
        // Falcon's own file cuts digits off the space before them, too; no merge of its vocabulary joins the two.
        {{"falcon"}, {{kFalconMarks, gpt2, kThreeDigits}}, {{kFalconMarks, gpt2, R"(\p{N}+)", kThreeDigits}}},
        {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
         {{kDigit, gpt2}}},
        {{"tekken"}, {{cased("", kDigit)}, true, true}, {{published_cased("", kDigit)}}, true},
        {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
         {{cased(kContractions + "?", three)}},
         {{published_cased(kPublishedContractions + "?", three)}}},
        {{"deepseek-llm"},
         {{R"([\r\n])", kCasedLetters, kMarksOfTwoWidths, R"(\s+$)", kCjk, R"(\p{N}+)"}},
         deepseek_llm},
        {{"deepseek-coder"},
         {{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, kDigit}},
         {{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kPublishedCjk, kDigit}}},
        {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, {{three, "[一-龥぀-ゟ゠-ヿ]+", kDeepseekMarks}}},
        {{"seed-coder"}, {{kContractions + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" + kSpaces}}},
        {{"poro-chat", "bloom", "gpt3-finnish"}, {{kBloom}}},
        {{"viking"}, {{kBloom, kDigit}}},
    };
  }();
  return entries;
}

}  // namespace

const WordRule* find_word_rule(std::string_view name) {
  if (name.empty()) name = "default";
  for (const Entry& entry : table()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) return &entry.rule;
  }
  return nullptr;
}

std::string known_word_rules() {
  std::string all;
  for (const Entry& entry : table()) {
    for (std::string_view name : entry.names) all.append(all.empty() ? "" : ", ").append(name);
  }
  return all;
}

FoundWordRule word_rule_of(const std::vector<std::string>& expressions, bool ignores_merges) {
  const Expressions sought = written_out(expressions);
  const auto is_sought = [&](const Expressions& known) { return written_out(known) == sought; };
  for (const Entry& entry : table()) {
    const bool same_merging = entry.rule.ignores_merges == ignores_merges;
    if (!same_merging && !entry.merging_varies) continue;
    if (is_sought(entry.rule.expressions)) return {entry.names.front(), !same_merging};
    if (std::any_of(entry.published.begin(), entry.published.end(), is_sought)) return {entry.names.front(), true};
  }
  return {};
}

}  // namespace prunenet::tokenization
