// Checking a GGUF vocabulary. What texts say of tokens follows llama.cpp's loader.
#include "tokenizer/gguf_tokens.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "tokenizer/unicode.h"

namespace prunenet {
namespace tokenization {
namespace {

constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kMaxTokens = size_t{1} << 24;

// Tokens that end a text or a turn, or frame a gap to be filled: control tokens, whatever the file calls them.
constexpr std::array<std::string_view, 52> kControlTexts{"<|eot_id|>",
                                                         "<|im_end|>",
                                                         "<|end|>",
                                                         "<|return|>",
                                                         "<|call|>",
                                                         "<|flush|>",
                                                         "<|calls|>",
                                                         "<end_of_turn>",
                                                         "<|endoftext|>",
                                                         "</s>",
                                                         "<|eom_id|>",
                                                         "<EOT>",
                                                         "_<EOT>",
                                                         "[EOT]",
                                                         "[EOS]",
                                                         "<|end_of_text|>",
                                                         "<end_of_utterance>",
                                                         "<eos>",
                                                         "<turn|>",
                                                         "<|tool_response>",
                                                         "<｜end▁of▁sentence｜>",
                                                         "[e~[",
                                                         "<|fim_prefix|>",
                                                         "<fim-prefix>",
                                                         "<fim_prefix>",
                                                         "<｜fim▁begin｜>",
                                                         "<PRE>",
                                                         "▁<PRE>",
                                                         "<|code_prefix|>",
                                                         "<|prefix|>",
                                                         "<|fim_suffix|>",
                                                         "<fim-suffix>",
                                                         "<fim_suffix>",
                                                         "<｜fim▁hole｜>",
                                                         "<SUF>",
                                                         "▁<SUF>",
                                                         "<|code_suffix|>",
                                                         "<|suffix|>",
                                                         "<|fim_middle|>",
                                                         "<fim-middle>",
                                                         "<fim_middle>",
                                                         "<｜fim▁end｜>",
                                                         "<MID>",
                                                         "▁<MID>",
                                                         "<|code_middle|>",
                                                         "<|middle|>",
                                                         "<|fim_pad|>",
                                                         "<fim-pad>",
                                                         "<fim_pad>",
                                                         "<PAD>",
                                                         "[PAD]",
                                                         "<|file_sep|>"};
constexpr std::array<std::string_view, 5> kRepositoryTexts{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
                                                           "<reponame>"};
// And those that are always shown.
constexpr std::array<std::string_view, 4> kShownTexts{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

template <typename List>
bool holds(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

void require_length(const char* list, size_t found, size_t tokens, const std::string& where) {
  if (found != tokens) fail(ErrorCode::kFormat, where, "has {} {} for {} tokens", found, list, tokens);
}

GgufTokenType type_of(int32_t number, size_t id, const std::string& where) {
  if (number == 0) return GgufTokenType::kUnused;  // "undefined"
  if (number < 1 || number > 6) {
    fail(ErrorCode::kFormat, where, "token {} has the type {}, expected 1 to 6", id, number);
  }
  return static_cast<GgufTokenType>(number);
}

void read_texts(const GgufVocabulary& vocabulary, GgufTokens& tokens, const std::string& where) {
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(vocabulary.tokens.size());
  tokens.texts.reserve(vocabulary.tokens.size());  // no text moves: `seen` holds on to them
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& text = vocabulary.tokens[id];
    if (text.size() > kMaxTokenBytes) {
      fail(ErrorCode::kFormat, where, "token {} is {} bytes long, expected at most {}", id, text.size(),
           kMaxTokenBytes);
    }
    if (!is_valid_utf8(text)) fail(ErrorCode::kFormat, where, "token {} is no UTF-8", id);
    tokens.texts.push_back(text.empty() ? fmt::format("[EMPTY_{}]", id) : text);
    const auto [other, is_new] = seen.emplace(tokens.texts.back(), id);
    if (!is_new) fail(ErrorCode::kFormat, where, "tokens {} and {} are both '{}'", other->second, id, other->first);
  }
}

void read_types(const GgufVocabulary& vocabulary, GgufTokens& tokens, const std::string& where) {
  tokens.types.assign(tokens.texts.size(), GgufTokenType::kNormal);
  for (size_t id = 0; id < vocabulary.types.size(); ++id) {
    tokens.types[id] = type_of(vocabulary.types[id], id, where);
    if (tokens.types[id] == GgufTokenType::kByte && !byte_of_token(tokens.texts[id])) {
      fail(ErrorCode::kFormat, where, "token {} is of the type byte, but '{}', expected <0x00> to <0xFF>", id,
           tokens.texts[id]);
    }
  }
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    if (holds(kControlTexts, text) || holds(kRepositoryTexts, text)) tokens.types[id] = GgufTokenType::kControl;
    if (holds(kShownTexts, text)) tokens.types[id] = GgufTokenType::kUserDefined;
  }
}

// In a Phi-3 all special tokens but these take the spaces behind them.
void read_spaces(const GgufVocabulary& vocabulary, GgufTokens& tokens) {
  tokens.takes_spaces.assign(tokens.texts.size(), false);
  if (!special_tokens_take_spaces(vocabulary.model_name)) return;
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    tokens.takes_spaces[id] = text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
  }
}

std::optional<TokenId> id_or(std::optional<TokenId> stated, TokenId otherwise, const char* role,
                             const GgufTokens& tokens, const std::string& where) {
  if (stated && (*stated < 0 || *stated >= tokens.size())) {
    fail(ErrorCode::kFormat, where, "the {} token has the id {}, outside the vocabulary of {} tokens", role, *stated,
         tokens.size());
  }
  if (stated) return stated;
  return otherwise >= 0 && otherwise < tokens.size() ? std::optional<TokenId>(otherwise) : std::nullopt;
}

void read_roles(const GgufVocabulary& vocabulary, GgufTokens& tokens, const std::string& where) {
  const bool pieces = tokens.is_pieces();
  const bool has_no_bos = vocabulary.pre == "glm4" || vocabulary.pre == "chatglm-bpe";
  tokens.bos = id_or(vocabulary.bos, pieces ? 1 : has_no_bos ? -1 : 11, "BOS", tokens, where);
  tokens.eos = id_or(vocabulary.eos, pieces ? 2 : 11, "EOS", tokens, where);
  tokens.unknown = id_or(vocabulary.unknown, pieces ? 0 : -1, "unknown", tokens, where);
  (void)id_or(vocabulary.padding, -1, "padding", tokens, where);
  (void)id_or(vocabulary.separator, -1, "separator", tokens, where);
  if (vocabulary.add_bos.value_or(pieces || tokens.words->adds_bos)) {
    if (!tokens.bos) fail(ErrorCode::kMismatch, where, "BOS is to be added, but there is no such token");
    tokens.around.before.push_back(*tokens.bos);
  }
  if (vocabulary.add_eos.value_or(false)) {
    if (!tokens.eos) fail(ErrorCode::kMismatch, where, "EOS is to be added, but there is no such token");
    tokens.around.after.push_back(*tokens.eos);
  }
  tokens.adds_space = pieces && vocabulary.add_space_prefix.value_or(true);
}

}  // namespace

std::optional<char> byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  int value = 0;
  for (char c : text.substr(3, 2)) {
    const size_t digit = std::string_view("0123456789ABCDEF").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<int>(digit);
  }
  return static_cast<char>(value);
}

std::string byte_token(unsigned char byte) {
  return fmt::format("<0x{:02X}>", byte);
}

bool is_left_out(GgufTokenType type) {
  return type == GgufTokenType::kControl || type == GgufTokenType::kUnknown || type == GgufTokenType::kUnused;
}

GgufTokens read_gguf_tokens(const GgufVocabulary& vocabulary, const std::string& where) {
  GgufTokens tokens;
  if (vocabulary.model == "gpt2") {
    tokens.words = find_word_rule(vocabulary.pre);
    if (!tokens.words) {
      fail(ErrorCode::kUnsupported, where, "pre-tokenizer '{}' is not supported; known are {}", vocabulary.pre,
           known_word_rules());
    }
  } else if (vocabulary.model != "llama") {
    fail(ErrorCode::kUnsupported, where,
         "tokenizer model '{}' is not supported; known are llama (pieces with scores) and gpt2 (byte-level BPE)",
         vocabulary.model);
  }
  const size_t count = vocabulary.tokens.size();
  if (count == 0) fail(ErrorCode::kFormat, where, "has no vocabulary: no tokens");
  if (count > kMaxTokens) fail(ErrorCode::kFormat, where, "has {} tokens, expected at most {}", count, kMaxTokens);
  if (!vocabulary.types.empty()) require_length("types", vocabulary.types.size(), count, where);
  if (tokens.is_pieces() || !vocabulary.scores.empty()) {
    require_length("scores", vocabulary.scores.size(), count, where);
  }
  for (size_t id = 0; id < vocabulary.scores.size(); ++id) {
    if (std::isnan(vocabulary.scores[id])) fail(ErrorCode::kFormat, where, "the score of token {} is no number", id);
  }
  read_texts(vocabulary, tokens, where);
  read_types(vocabulary, tokens, where);
  read_spaces(vocabulary, tokens);
  if (tokens.is_pieces()) tokens.scores = vocabulary.scores;
  read_roles(vocabulary, tokens, where);
  return tokens;
}

}  // namespace tokenization

bool special_tokens_take_spaces(std::string_view model_name) {
  std::string name(model_name);
  for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return name.find("phi-3") != name.npos || name.find("phi3") != name.npos;
}

}  // namespace prunenet
