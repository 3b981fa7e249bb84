// From tokenizer.json to a GGUF vocabulary.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_folder.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/marks.h"
#include "tokenizer/word_rules.h"

namespace prunenet::tokenization {
namespace {

constexpr int kMaxNesting = 8;

// The steps of a component: those of a Sequence one by one.
void append_steps(const JsonNode& node, const char* members, std::vector<JsonNode>& steps, int nesting = 0) {
  if (!node.present()) return;
  if (nesting > kMaxNesting) fail(ErrorCode::kFormat, node.where(), "sequences nested deeper than {}", kMaxNesting);
  if (node.kind() != "Sequence") {
    steps.push_back(node);
    return;
  }
  const JsonNode list = node[members];
  for (size_t i = 0; i < list.size(); ++i) append_steps(list.element(i), members, steps, nesting + 1);
}

std::vector<JsonNode> steps_of(const JsonNode& node, const char* members) {
  std::vector<JsonNode> steps;
  append_steps(node, members, steps);
  return steps;
}

[[noreturn]] void refuse(const JsonNode& node, const std::string& what) {
  fail(ErrorCode::kUnsupported, node.where(), "{}: GGUF cannot state it", what);
}

bool writes_mark(const JsonNode& step) {  // Replace of a space
  return step.kind() == "Replace" && step["pattern"]["String"].text_or("") == " " && step["content"].text() == kMark;
}

// A Split that does nothing where no spaces are left.
bool cuts_at_spaces(const JsonNode& step) {
  return step.kind() == "Split" && step["pattern"]["String"].text_or("") == " ";
}

/// The expressions that cut a text into words, as far as `pre_tokenizer` is nothing but such.
std::vector<std::string> expressions_of(const JsonNode& pre_tokenizer) {
  std::vector<std::string> expressions;
  for (const JsonNode& step : steps_of(pre_tokenizer, "pretokenizers")) {
    const std::string& kind = step.kind();
    if (kind == "ByteLevel") {
      if (step["add_prefix_space"].flag_or(true)) refuse(step, "a space that is put before every text");
      if (step["use_regex"].flag_or(true)) expressions.push_back(kByteLevelRegex);
    } else if (kind == "Split") {
      const JsonNode regex = step["pattern"]["Regex"];
      const bool isolates = step["behavior"].text() == "Isolated" && !step["invert"].flag_or(false);
      const bool drops_the_rest = step["behavior"].text() == "Removed" && step["invert"].flag_or(false);
      if (!regex.present() || !(isolates || drops_the_rest)) refuse(step, "this Split");
      expressions.push_back(regex.text());
    } else if (kind == "Digits") {
      expressions.push_back(step["individual_digits"].flag_or(false) ? R"(\p{N})" : R"(\p{N}+)");
    } else if (kind == "Punctuation" && step["behavior"].text_or("Isolated") == "Contiguous") {
      expressions.push_back(R"([\p{P}\$\+<=>\^~\|`]+)");
    } else {
      refuse(step, "pre-tokenizer '" + kind + "'");
    }
  }
  return expressions;
}

void require_no_normalizer(const JsonNode& normalizer) {
  for (const JsonNode& step : steps_of(normalizer, "normalizers")) {
    // llama.cpp does not compose characters: a text that is composed already gives the same ids.
    if (step.kind() != "NFC") refuse(step, "normalizer '" + step.kind() + "'");
  }
}

FoundWordRule word_rule(const JsonNode& root, const TokenizerConfig& config) {
  const auto expressions = expressions_of(root["pre_tokenizer"]);
  FoundWordRule found = word_rule_of(expressions, root["model"]["ignore_merges"].flag_or(false));
  if (found.name.empty()) {
    std::string all;
    for (const std::string& expression : expressions) all.append(all.empty() ? "" : " , ").append(expression);
    refuse(root["pre_tokenizer"], fmt::format("llama.cpp has no name for a pre-tokenizer that cuts words by {}", all));
  }
  if (found.name == "gpt-2" && config.kind.starts_with("CodeGen")) found.name = "phi-2";  // another name of the same
  return found;
}

std::vector<std::pair<std::string, TokenId>> entries_of(const JsonNode& vocab) {
  if (!vocab.is_object()) vocab.reject("an object of texts and ids");
  std::vector<std::pair<std::string, TokenId>> entries;
  for (const auto& item : vocab.json().items()) entries.emplace_back(item.key(), vocab[item.key()].number());
  return entries;
}

void set_all_added(const JsonNode& root, const TokenizerConfig& config, TokenList& list) {
  for (const AddedToken& token : added_tokens_of(root, {})) set_added(token, list);
  for (const AddedToken& token : config.added) {
    if (!list.has(token.id)) set_added(token, list);
  }
}

/// The two texts of a merge.
std::pair<std::string, std::string> merge_of(const JsonNode& merges, size_t i) {
  const auto& merge = merges.json()[i];
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (!merge.is_string()) merges.element(i).reject("two texts");
  const auto& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == text.npos) merges.element(i).reject("two texts with a space between them");
  return {text.substr(0, space), text.substr(space + 1)};
}

bool is_head_line(const JsonNode::Json& merge) {  // of merges.txt
  return merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version");
}

JsonVocabulary from_byte_level(const JsonNode& root, const TokenizerConfig& config, int64_t size) {
  require_no_normalizer(root["normalizer"]);
  const FoundWordRule rule = word_rule(root, config);
  JsonVocabulary result{.vocabulary = {}, .other_words = rule.departs};
  GgufVocabulary& vocabulary = result.vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = rule.name;
  TokenList list(size, false, root.where());
  for (const auto& [text, id] : entries_of(root["model"]["vocab"])) list.set(id, text, 0, GgufTokenType::kNormal);
  set_all_added(root, config, list);
  list.give(vocabulary);
  const JsonNode merges = root["model"]["merges"];
  for (size_t i = 0; i < merges.size(); ++i) {
    if (is_head_line(merges.json()[i])) continue;
    const auto [left, right] = merge_of(merges, i);
    if (left.find(' ') != left.npos || right.find(' ') != right.npos) {
      refuse(merges.element(i), fmt::format("a space in the merge of '{}' and '{}'", left, right));
    }
    vocabulary.merges.push_back(left + " " + right);
  }
  return result;
}

/// Whether a space is put before a text. GGUF cannot state before which: Metaspace spares those that have one, and
/// llama.cpp none. Throws kUnsupported for steps that do more than write marks for spaces.
bool adds_space(const JsonNode& root) {
  bool adds = false;
  for (const JsonNode& step : steps_of(root["normalizer"], "normalizers")) {
    if (step.kind() == "Prepend" && step["prepend"].text() == kMark) {
      adds = true;
    } else if (!writes_mark(step)) {
      refuse(step, "normalizer '" + step.kind() + "'");
    }
  }
  for (const JsonNode& step : steps_of(root["pre_tokenizer"], "pretokenizers")) {
    if (step.kind() == "Metaspace" && step["replacement"].text() == kMark) {
      const bool never = step["prepend_scheme"].text_or("always") == "never" || !step["add_prefix_space"].flag_or(true);
      adds = adds || !never;
    } else if (!cuts_at_spaces(step)) {
      refuse(step, "pre-tokenizer '" + step.kind() + "'");
    }
  }
  return adds;
}

/// A score for every text that merges make: pieces that are merged earlier have the higher ones. Merges of
/// SentencePiece's are grouped by piece, so that the first of each says where it stands.
std::unordered_map<std::string, float> scores_of(const JsonNode& merges) {
  std::unordered_map<std::string, float> scores;
  for (size_t i = 0; i < merges.size(); ++i) {
    if (is_head_line(merges.json()[i])) continue;
    const auto [left, right] = merge_of(merges, i);
    scores.emplace(left + right, -static_cast<float>(scores.size()));
  }
  return scores;
}

GgufVocabulary from_pieces(const JsonNode& root, const TokenizerConfig& config, int64_t size) {
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  const JsonNode model = root["model"];
  if (!adds_space(root)) vocabulary.add_space_prefix = false;
  if (model["ignore_merges"].flag_or(false)) refuse(model["ignore_merges"], "ignore_merges with pieces");
  const auto scores = scores_of(model["merges"]);
  const std::string unknown = model["unk_token"].text_or("");
  TokenList list(size, true, root.where());
  auto entries = entries_of(model["vocab"]);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  auto others = static_cast<float>(scores.size());  // characters stand behind all that is merged
  for (const auto& [text, id] : entries) {
    const bool is_byte = model["byte_fallback"].flag_or(false) && byte_of_token(text).has_value();
    const auto found = scores.find(text);
    if (is_byte || text == unknown) {
      list.set(id, text, 0, is_byte ? GgufTokenType::kByte : GgufTokenType::kUnknown);
    } else {
      list.set(id, text, found != scores.end() ? found->second : -others++, GgufTokenType::kNormal);
    }
    if (text == unknown) vocabulary.unknown = id;
  }
  set_all_added(root, config, list);
  list.give(vocabulary);
  return vocabulary;
}

}  // namespace

bool is_byte_level(const JsonNode& root) {
  const auto steps = steps_of(root["pre_tokenizer"], "pretokenizers");
  return std::any_of(steps.begin(), steps.end(), [](const JsonNode& step) { return step.kind() == "ByteLevel"; });
}

std::vector<AddedToken> added_tokens_of(const std::optional<JsonNode>& root, const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  std::set<TokenId> ids;
  if (root && (*root)["added_tokens"].present()) {
    const JsonNode added = (*root)["added_tokens"];
    for (size_t i = 0; i < added.size(); ++i) {
      tokens.push_back(read_added_token(added.element(i), added.element(i)["id"].number()));
      ids.insert(tokens.back().id);
    }
  }
  for (const AddedToken& token : config.added) {
    if (!ids.contains(token.id)) tokens.push_back(token);
  }
  return tokens;
}

JsonVocabulary vocabulary_of_json(const JsonNode& root, const TokenizerConfig& config, int64_t size) {
  const std::string kind = root["model"]["type"].text_or("BPE");
  if (kind != "BPE") refuse(root["model"], "model '" + kind + "'");
  if (is_byte_level(root)) return from_byte_level(root, config, size);
  return {.vocabulary = from_pieces(root, config, size)};
}

}  // namespace prunenet::tokenization
