// The module with the sentencepiece library.
#include "tokenizer/piece_model.h"

#include "base/module.h"

namespace prunenet::tokenization {

std::unique_ptr<PieceModel> open_piece_model(std::string_view bytes, const std::string& where) {
  static const Module module("prunenet-pieces.so", "reading a tokenizer.model",
                             "it is built and installed with prunenet");
  const auto open = module.function<PieceModelOpenFunction>(kPieceModelOpenSymbol);
  return std::unique_ptr<PieceModel>(open(bytes, where));
}

}  // namespace prunenet::tokenization
