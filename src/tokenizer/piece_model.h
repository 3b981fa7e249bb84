// A SentencePiece model as this room sees it: pieces and their kinds. The sentencepiece library stands behind it in a
// module of its own (the room `pieces`), opened when a tokenizer.model is: the protobuf inside it must not meet another
// one in the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet::tokenization {

enum class PieceKind { kText, kUnknown, kControl, kByte };

class PieceModel {
 public:
  virtual ~PieceModel() = default;
  virtual int32_t size() const = 0;
  virtual std::string piece(int32_t id) const = 0;  // 0 <= id < size()
  virtual PieceKind kind(int32_t id) const = 0;
  /// The id of a piece, that of the unknown piece for a text that is none.
  virtual int32_t find(std::string_view piece) const = 0;
  /// Below 0: the model has none.
  virtual int32_t bos() const = 0;
  virtual int32_t eos() const = 0;
  /// The pieces of a valid UTF-8 text. Throws kInternal when the library fails.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
};

/// Reads a model from the bytes of its file. Throws kFormat, naming `where`, when they are none; kNotFound without the
/// module.
std::unique_ptr<PieceModel> open_piece_model(std::string_view bytes, const std::string& where);

/// What the module exports beside its tag.
using PieceModelOpenFunction = PieceModel* (*)(std::string_view bytes, const std::string& where);
inline constexpr const char* kPieceModelOpenSymbol = "prunenet_open_piece_model";

}  // namespace prunenet::tokenization
