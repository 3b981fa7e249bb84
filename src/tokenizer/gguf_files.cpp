// The files of a Hugging Face folder for a GGUF vocabulary.
#include <algorithm>

#include "tokenizer/gguf_json.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/marks.h"
#include "tokenizer/piece_file.h"
#include "tokenizer/unicode.h"

namespace prunenet {
namespace tokenization {
namespace {

/// The one piece that is to be the unknown one.
std::optional<TokenId> unknown_piece(const GgufTokens& tokens) {
  const auto may_be = [&](TokenId id) {
    const GgufTokenType type = tokens.type(id);
    return type == GgufTokenType::kUnknown || type == GgufTokenType::kControl;
  };
  if (tokens.unknown && may_be(*tokens.unknown)) return tokens.unknown;
  for (TokenId id = 0; id < tokens.size(); ++id) {
    if (tokens.type(id) == GgufTokenType::kUnknown && !is_filler(tokens, id)) return id;
  }
  return std::nullopt;
}

PieceFile::Piece piece_of(const GgufTokens& tokens, TokenId id, TokenId unknown) {
  const GgufTokenType type = tokens.type(id);
  PieceFile::Piece piece{{}, tokens.scores[static_cast<size_t>(id)], type};
  if (type == GgufTokenType::kUserDefined) {
    append_marked(piece.text, tokens.text(id));  // as SentencePiece writes it
  } else {
    piece.text = tokens.text(id);
  }
  if (type == GgufTokenType::kUnknown) piece.type = GgufTokenType::kUnused;
  if (id == unknown) piece.type = GgufTokenType::kUnknown;
  return piece;
}

bool all_different(const std::vector<PieceFile::Piece>& pieces) {
  std::vector<std::string_view> texts;
  texts.reserve(pieces.size());
  for (const PieceFile::Piece& piece : pieces) texts.push_back(piece.text);
  std::sort(texts.begin(), texts.end());
  return std::adjacent_find(texts.begin(), texts.end()) == texts.end();
}

/// tokenizer.model. Its library wants exactly one unknown piece, all bytes or none, and all texts different; empty
/// where that cannot be had, since tokenizer.json says everything.
std::string piece_file_of(const GgufTokens& tokens) {
  const auto unknown = unknown_piece(tokens);
  if (!unknown) return {};
  PieceFile file;
  file.model_type = PieceFile::kBpe;
  file.add_dummy_prefix = tokens.adds_space;
  file.remove_extra_whitespaces = false;
  for (TokenId id = 0; id < tokens.size(); ++id) file.pieces.push_back(piece_of(tokens, id, *unknown));
  const auto bytes = std::count(tokens.types.begin(), tokens.types.end(), GgufTokenType::kByte);
  if ((bytes != 0 && bytes != 256) || !all_different(file.pieces)) return {};
  file.byte_fallback = bytes != 0;
  file.unknown_id = *unknown;
  file.unknown_piece = tokens.text(*unknown);
  file.bos_id = tokens.bos.value_or(-1);
  file.eos_id = tokens.eos.value_or(-1);
  if (tokens.bos) file.bos_piece = tokens.text(*tokens.bos);
  if (tokens.eos) file.eos_piece = tokens.text(*tokens.eos);
  return serialised(file);
}

}  // namespace
}  // namespace tokenization

std::map<std::string, std::string> tokenizer_files(const GgufVocabulary& vocabulary, const std::string& where) {
  using namespace tokenization;
  if (!is_valid_utf8(vocabulary.chat_template)) fail(ErrorCode::kFormat, where, "the chat template is no UTF-8");
  const GgufTokens tokens = read_gguf_tokens(vocabulary, where);
  (void)make_tokenizer(vocabulary, where);  // the merges, too, make sense
  std::map<std::string, std::string> files;
  files["tokenizer.json"] = tokenizer_json(vocabulary, tokens).dump(2) + "\n";
  files["tokenizer_config.json"] = tokenizer_config_json(vocabulary, tokens).dump(2) + "\n";
  if (tokens.is_pieces()) {
    std::string model = piece_file_of(tokens);
    if (!model.empty()) files["tokenizer.model"] = std::move(model);
  }
  return files;
}

}  // namespace prunenet
