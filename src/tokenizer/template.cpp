// Template: after `TemplateProcessing` of the tokenizers library, for single texts.
#include "tokenizer/template.h"

#include <algorithm>

namespace prunenet::tokenization {
namespace {

constexpr int kMaxNesting = 8;

std::vector<TokenId> special_ids(const JsonNode& tokens, const std::string& name) {
  const JsonNode ids = tokens[name]["ids"];
  std::vector<TokenId> found;
  for (size_t i = 0; i < ids.size(); ++i) found.push_back(ids.element(i).number());
  return found;
}

void wrap(Template& around, std::vector<TokenId> before, const std::vector<TokenId>& after) {
  before.insert(before.end(), around.before.begin(), around.before.end());
  around.before = std::move(before);
  around.after.insert(around.after.end(), after.begin(), after.end());
}

void read_single(const JsonNode& node, Template& around) {
  const JsonNode single = node["single"];
  std::vector<TokenId> before, after;
  size_t texts = 0;
  for (size_t i = 0; i < single.size(); ++i) {
    const JsonNode piece = single.element(i);
    if (const JsonNode special = piece["SpecialToken"]; special.present()) {
      for (TokenId id : special_ids(node["special_tokens"], special["id"].text()))
        (texts == 0 ? before : after).push_back(id);
    } else if (piece["Sequence"]["id"].text() == "A") {
      ++texts;
    } else {
      piece.reject("the sequence A");
    }
  }
  if (texts != 1) fail(ErrorCode::kFormat, single.where(), "has {} places for the text, expected one", texts);
  wrap(around, std::move(before), after);
}

// ["</s>", 2]
TokenId id_of_pair(const JsonNode& node) {
  return node.element(1).number();
}

void read(const JsonNode& node, Template& around, int nesting) {
  if (nesting > kMaxNesting) fail(ErrorCode::kFormat, node.where(), "sequences nested deeper than {}", kMaxNesting);
  const std::string& kind = node.kind();
  if (kind == "Sequence") {
    const JsonNode members = node["processors"];
    for (size_t i = 0; i < members.size(); ++i) read(members.element(i), around, nesting + 1);
  } else if (kind == "TemplateProcessing") {
    read_single(node, around);
  } else if (kind == "BertProcessing" || kind == "RobertaProcessing") {
    wrap(around, {id_of_pair(node["cls"])}, {id_of_pair(node["sep"])});
  } else if (kind != "ByteLevel") {  // which only trims offsets
    fail(ErrorCode::kUnsupported, node.where(), "post-processor '{}' is not supported", kind);
  }
}

bool holds(const std::vector<TokenId>& ids, TokenId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Template read_template(const JsonNode& node) {
  Template around;
  if (node.present()) read(node, around, 0);
  return around;
}

void apply_config(const TokenizerConfig& config, std::optional<TokenId> bos, std::optional<TokenId> eos,
                  Template& around, const std::string& where) {
  std::optional<bool> adds_bos = config.adds_bos, adds_eos = config.adds_eos;
  if (config.is_llama_like) {
    if (!adds_bos) adds_bos = bos.has_value();
    if (!adds_eos) adds_eos = false;
  }
  if (adds_bos.value_or(false) && !bos)
    fail(ErrorCode::kMismatch, where, "add_bos_token is true, but there is no such token");
  if (adds_eos.value_or(false) && !eos)
    fail(ErrorCode::kMismatch, where, "add_eos_token is true, but there is no such token");
  if (adds_bos && bos) {
    if (!*adds_bos) std::erase(around.before, *bos);
    if (*adds_bos && !holds(around.before, *bos)) around.before.insert(around.before.begin(), *bos);
  }
  if (adds_eos && eos) {
    if (!*adds_eos) std::erase(around.after, *eos);
    if (*adds_eos && !holds(around.after, *eos)) around.after.push_back(*eos);
  }
}

}  // namespace prunenet::tokenization
