// The sentencepiece library behind the border of tokenizer/piece_model.h; a module that the program opens for a
// tokenizer.model.
#include <sentencepiece_processor.h>

#include "base/error.h"
#include "base/module.h"
#include "tokenizer/piece_model.h"

namespace prunenet::tokenization {
namespace {

class LibraryModel final : public PieceModel {
 public:
  LibraryModel(std::string_view bytes, const std::string& where) : where_(where) {
    require(processor_.LoadFromSerializedProto(absl::string_view(bytes.data(), bytes.size())), ErrorCode::kFormat,
            "is no SentencePiece model");
  }

  int32_t size() const override { return processor_.GetPieceSize(); }
  std::string piece(int32_t id) const override { return processor_.IdToPiece(id); }
  PieceKind kind(int32_t id) const override {
    if (processor_.IsControl(id)) return PieceKind::kControl;
    if (processor_.IsUnknown(id)) return PieceKind::kUnknown;
    return processor_.IsByte(id) ? PieceKind::kByte : PieceKind::kText;
  }
  int32_t find(std::string_view piece) const override {
    return processor_.PieceToId(absl::string_view(piece.data(), piece.size()));
  }
  int32_t bos() const override { return processor_.bos_id(); }
  int32_t eos() const override { return processor_.eos_id(); }
  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    require(processor_.Encode(absl::string_view(text.data(), text.size()), &ids), ErrorCode::kInternal,
            "cannot encode");
    return ids;
  }

 private:
  void require(const sentencepiece::util::Status& status, ErrorCode code, std::string_view what) const {
    if (!status.ok()) fail(code, where_, "{}: {}", what, status.ToString());
  }

  std::string where_;
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace
}  // namespace prunenet::tokenization

#define PRUNENET_EXPORT extern "C" __attribute__((visibility("default")))

PRUNENET_EXPORT const char* prunenet_module_tag() {
  return prunenet::module_tag();
}

PRUNENET_EXPORT prunenet::tokenization::PieceModel* prunenet_open_piece_model(std::string_view bytes,
                                                                              const std::string& where) {
  return new prunenet::tokenization::LibraryModel(bytes, where);
}
