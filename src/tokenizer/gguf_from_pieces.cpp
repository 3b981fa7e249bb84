// From tokenizer.model to a GGUF vocabulary, as llama.cpp's converter does it.
#include "tokenizer/gguf_folder.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/marks.h"

namespace prunenet::tokenization {
namespace {

std::string_view name_of_model(int32_t type) {
  constexpr std::string_view kNames[] = {"unigram", "bpe", "word", "char"};
  return type >= 1 && type <= 4 ? kNames[type - 1] : "unknown";
}

void require_mergeable(const PieceFile& file, const std::string& where) {
  const auto refuse = [&](std::string_view what) {
    fail(ErrorCode::kUnsupported, where, "{}: llama.cpp's pieces know no such thing", what);
  };
  if (file.model_type != PieceFile::kBpe) {
    refuse(fmt::format("a SentencePiece model of the type '{}', expected 'bpe'", name_of_model(file.model_type)));
  }
  if (file.has_character_map) refuse(fmt::format("the normalizer '{}' changes characters", file.normalizer));
  if (file.remove_extra_whitespaces) refuse("remove_extra_whitespaces is true: runs of spaces become one");
  if (!file.escape_whitespaces) refuse("escape_whitespaces is false");
  if (file.marks_behind_words) refuse("treat_whitespace_as_suffix is true");
}

}  // namespace

GgufVocabulary vocabulary_of_pieces(const PieceFile& file, const TokenizerConfig& config,
                                    const std::optional<JsonNode>& json, int64_t size, const std::string& where) {
  require_mergeable(file, where);
  TokenList list(size, true, where);
  TokenId id = 0;
  for (const PieceFile::Piece& piece : file.pieces) {
    std::string text;
    if (piece.type == GgufTokenType::kUserDefined) {
      append_spaced(text, piece.text);  // llama.cpp seeks it where spaces are not marks yet
    } else {
      text = piece.text;
    }
    list.set(id++, text, piece.score, piece.type);
  }
  for (const AddedToken& token : config.added) set_added(token, list);
  if (json && (*json)["added_tokens"].present()) {
    const JsonNode added = (*json)["added_tokens"];
    for (size_t i = 0; i < added.size(); ++i) {
      const AddedToken token = read_added_token(added.element(i), added.element(i)["id"].number());
      if (!list.has(token.id)) set_added(token, list);
    }
  }
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  list.give(vocabulary);
  const auto role = [&](int32_t number, const std::string& piece) -> std::optional<TokenId> {
    const bool is_there = number >= 0 && static_cast<size_t>(number) < file.pieces.size() &&
                          file.pieces[static_cast<size_t>(number)].text == piece;
    return is_there ? std::optional<TokenId>(number) : std::nullopt;
  };
  vocabulary.bos = role(file.bos_id, file.bos_piece);
  vocabulary.eos = role(file.eos_id, file.eos_piece);
  vocabulary.unknown = role(file.unknown_id, file.unknown_piece);
  vocabulary.padding = role(file.padding_id, file.padding_piece);
  if (!file.add_dummy_prefix) vocabulary.add_space_prefix = false;
  return vocabulary;
}

}  // namespace prunenet::tokenization
