// GGUF vocabularies as JSON: tokenizer.json and tokenizer_config.json, readable by transformers.
#include "tokenizer/gguf_json.h"

#include <algorithm>
#include <tuple>

#include "tokenizer/marks.h"
#include "tokenizer/piece_merges.h"

namespace prunenet::tokenization {
namespace {

using Json = JsonNode::Json;

const Json kByteLevel{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};

Json vocab_json(const GgufTokens& tokens) {
  Json vocab = Json::object();
  for (TokenId id = 0; id < tokens.size(); ++id) {
    if (!is_filler(tokens, id)) vocab[tokens.text(id)] = static_cast<uint64_t>(id);
  }
  return vocab;
}

Json bpe_json(const GgufTokens& tokens) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocab_json(tokens)}};
}

Json sequence(const char* members, Json steps) {
  return {{"type", "Sequence"}, {members, std::move(steps)}};
}

Json replace(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

// What is sought in a text before it is cut: not special where it is sought in any text.
bool is_added(const GgufTokens& tokens, TokenId id) {
  const GgufTokenType type = tokens.type(id);
  return !is_filler(tokens, id) &&
         (type == GgufTokenType::kControl || type == GgufTokenType::kUnknown || type == GgufTokenType::kUserDefined);
}

Json added_token(const GgufTokens& tokens, TokenId id) {
  return {{"content", tokens.text(id)},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", static_cast<bool>(tokens.takes_spaces[static_cast<size_t>(id)])},
          {"normalized", false},
          {"special", tokens.type(id) != GgufTokenType::kUserDefined}};
}

/// BOS and EOS around a text; null where there is nothing.
Json template_json(const GgufTokens& tokens) {
  if (tokens.around.before.empty() && tokens.around.after.empty()) return nullptr;
  Json special = Json::object();
  const auto append = [&](Json& list, const std::vector<TokenId>& ids, int type) {
    for (TokenId id : ids) {
      const std::string& text = tokens.text(id);
      list.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
      special[text] = {{"id", text}, {"ids", Json::array({id})}, {"tokens", Json::array({text})}};
    }
  };
  Json single = Json::array(), pair = Json::array();
  for (const auto& [name, type] : {std::pair{"A", 0}, std::pair{"B", 1}}) {
    append(pair, tokens.around.before, type);
    pair.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    append(pair, tokens.around.after, type);
    if (type == 0) single = pair;
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

void set_piece_steps(const GgufTokens& tokens, Json& root) {
  Json normalizers = Json::array();
  if (tokens.adds_space) normalizers.push_back({{"type", "Prepend"}, {"prepend", kMark}});
  normalizers.push_back(replace(" ", kMark));
  root["normalizer"] = sequence("normalizers", std::move(normalizers));
  root["pre_tokenizer"] = nullptr;
  Json decoders = Json::array({replace(kMark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (tokens.adds_space) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  root["decoder"] = sequence("decoders", std::move(decoders));
}

}  // namespace

bool is_filler(const GgufTokens& tokens, TokenId id) {
  const GgufTokenType type = tokens.type(id);  // older converters called them unknown
  const bool may_be = type == GgufTokenType::kUnused || type == GgufTokenType::kUnknown;
  return may_be && tokens.text(id) == fmt::format("[PAD{}]", id);
}

Json pre_tokenizer_json(const WordRule& rule) {
  Json steps = Json::array();
  for (const std::string& expression : rule.expressions) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back(kByteLevel);
  return sequence("pretokenizers", std::move(steps));
}

Json bpe_model_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  Json model = bpe_json(tokens);
  model["ignore_merges"] = tokens.words->ignores_merges;
  model["merges"] = vocabulary.merges;
  return model;
}

Json piece_model_json(const GgufTokens& tokens) {
  std::vector<std::string> inner;
  std::vector<PieceSplit> splits = piece_splits(tokens, inner);
  const auto is_mergeable = [&](TokenId id) {  // a text with a space is sought before, and never merged
    return id < tokens.size() && !is_filler(tokens, id) && tokens.text(id).find(' ') == std::string::npos;
  };
  std::erase_if(splits, [&](const PieceSplit& split) {
    return !is_mergeable(split.left) || !is_mergeable(split.right) || !is_mergeable(split.result);
  });
  const auto order = [&](const PieceSplit& split) {
    return std::tuple(-tokens.scores[static_cast<size_t>(split.result)], split.result,
                      -static_cast<int64_t>(tokens.text(split.left).size()));
  };
  std::stable_sort(splits.begin(), splits.end(),
                   [&](const PieceSplit& a, const PieceSplit& b) { return order(a) < order(b); });
  Json merges = Json::array();
  for (const PieceSplit& split : splits) merges.push_back(tokens.text(split.left) + " " + tokens.text(split.right));
  Json model = bpe_json(tokens);
  if (tokens.unknown && !is_filler(tokens, *tokens.unknown)) model["unk_token"] = tokens.text(*tokens.unknown);
  model["fuse_unk"] = true;
  model["byte_fallback"] = true;
  model["merges"] = std::move(merges);
  return model;
}

Json tokenizer_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  Json added = Json::array();
  for (TokenId id = 0; id < tokens.size(); ++id) {
    if (!is_added(tokens, id)) continue;
    added.push_back(added_token(tokens, id));
    added.back()["id"] = id;
  }
  Json root{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", std::move(added)}};
  if (tokens.is_pieces()) {
    set_piece_steps(tokens, root);
    root["model"] = piece_model_json(tokens);
  } else {
    root["normalizer"] = nullptr;
    root["pre_tokenizer"] = pre_tokenizer_json(*tokens.words);
    root["decoder"] = kByteLevel;
    root["model"] = bpe_model_json(vocabulary, tokens);
  }
  root["post_processor"] = template_json(tokens);
  return root;
}

Json tokenizer_config_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  Json added = Json::object();
  for (TokenId id = 0; id < tokens.size(); ++id) {
    if (is_added(tokens, id)) added[std::to_string(id)] = added_token(tokens, id);
  }
  const char* kind = !tokens.is_pieces() ? "PreTrainedTokenizerFast"
                     : tokens.adds_space ? "LlamaTokenizer"
                                         : "GemmaTokenizer";
  Json config{{"added_tokens_decoder", std::move(added)},
              {"add_bos_token", !tokens.around.before.empty()},
              {"add_eos_token", !tokens.around.after.empty()},
              {"clean_up_tokenization_spaces", false},
              {"model_max_length", 1000000000000000019884624838656.0},  // transformers' word for "not stated"
              {"tokenizer_class", kind}};
  const auto name = [&](const char* key, std::optional<TokenId> id) {
    if (id) config[key] = tokens.text(*id);
  };
  name("bos_token", tokens.bos);
  name("eos_token", tokens.eos);
  name("unk_token", tokens.unknown);
  name("pad_token", vocabulary.padding);
  name("sep_token", vocabulary.separator);
  if (tokens.is_pieces()) {
    config["legacy"] = true;  // a space behind special tokens, as llama.cpp puts it
    config["sp_model_kwargs"] = Json::object();
  }
  if (!vocabulary.chat_template.empty()) config["chat_template"] = vocabulary.chat_template;
  return config;
}

}  // namespace prunenet::tokenization
