// The table of word rules.
#include "tokenizer/word_rules.h"

#include <algorithm>
#include <array>

#include "tokenizer/byte_level.h"

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
const std::string kCjk = "[一-龥ࠀ-一가-퟿]+";
const std::string kDeepseekMarks =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" +
    kSpaces;
// The letters that have two cases.
const std::string kCasedLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώ)"
    R"(ᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";

struct Entry {
  std::vector<std::string_view> names;  // the first is the one that is written
  WordRule rule;
  std::vector<Expressions> published = {};  // other ways in which tokenizer.json says the same
};

const std::vector<Entry>& table() {
  static const std::vector<Entry> entries = [] {
    const std::string gpt2 = kByteLevelRegex;
    const std::string shorter_gpt2 = gpt2.substr(0, gpt2.rfind("|"));  // spaces that are left over stand by themselves
    const std::string three = R"(\p{N}{1,3})";
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
        {{"falcon"}, {{kFalconMarks, gpt2, kThreeDigits}}},
        {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
         {{kDigit, gpt2}}},
        {{"tekken"}, {{cased("", kDigit)}, true, true}, {{published_cased("", kDigit)}}},
        {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
         {{cased(kContractions + "?", three)}},
         {{published_cased(kPublishedContractions + "?", three)}}},
        {{"deepseek-llm"},
         {{R"([\r\n])", kCasedLetters, R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)", kCjk, R"(\p{N}+)"}}},
        {{"deepseek-coder"}, {{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, kDigit}}},
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

std::string_view word_rule_of(const std::vector<std::string>& expressions, bool ignores_merges) {
  for (const Entry& entry : table()) {
    if (entry.rule.ignores_merges != ignores_merges) continue;
    const bool is_other =
        std::find(entry.published.begin(), entry.published.end(), expressions) != entry.published.end();
    if (entry.rule.expressions == expressions || is_other) return entry.names.front();
  }
  return {};
}

}  // namespace prunenet::tokenization
