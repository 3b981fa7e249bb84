// tokenizer.model as bytes: the protobuf of SentencePiece (sentencepiece_model.proto), read and written by hand. Only
// the fields that say what a text becomes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/gguf_vocabulary.h"

namespace prunenet::tokenization {

struct PieceFile {
  struct Piece {
    std::string text;
    float score = 0;
    GgufTokenType type = GgufTokenType::kNormal;  // the numbers of SentencePiece are the same
  };

  static constexpr int32_t kUnigram = 1, kBpe = 2;

  std::vector<Piece> pieces;
  int32_t model_type = kUnigram;
  bool byte_fallback = false;
  int32_t unknown_id = 0, bos_id = 1, eos_id = 2, padding_id = -1;  // below 0: none
  std::string unknown_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>", padding_piece = "<pad>";
  bool marks_behind_words = false;  // a space becomes a mark at the end of the word before it
  std::string normalizer = "identity";
  bool has_character_map = false;  // the normalizer changes characters
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

/// Throws kFormat, naming `where`, for what is no such protobuf or has no pieces.
PieceFile parse_piece_file(std::string_view bytes, const std::string& where);

std::string serialised(const PieceFile& file);

}  // namespace prunenet::tokenization
