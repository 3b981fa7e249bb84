// Protobuf's wire format: a key (field and kind) as a varint, then a varint, 4 or 8 bytes, or a length and bytes.
#include "tokenizer/piece_file.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

enum class Wire : uint8_t { kVarint = 0, kEight = 1, kBytes = 2, kFour = 5 };

struct Field {
  uint64_t number = 0;
  Wire wire = Wire::kVarint;
  uint64_t value = 0;      // of a varint; the bits of four or eight bytes
  std::string_view bytes;  // of a string or a message

  bool is(uint64_t field, Wire kind) const { return number == field && wire == kind; }
};

class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  /// The next field; false at the end.
  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field = {key >> 3, static_cast<Wire>(key & 7), 0, {}};
    if (field.number == 0) reject();
    switch (field.wire) {
      case Wire::kVarint:
        field.value = varint();
        break;
      case Wire::kEight:
        field.value = fixed(8);
        break;
      case Wire::kFour:
        field.value = fixed(4);
        break;
      case Wire::kBytes:
        field.bytes = take(varint());
        break;
      default:
        reject();
    }
    return true;
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    reject();
  }
  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }
  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) reject();
    const std::string_view found = bytes_.substr(at_, size);
    at_ += size;
    return found;
  }
  [[noreturn]] void reject() const {
    fail(ErrorCode::kFormat, where_, "is no SentencePiece model: byte {} of a message of {} bytes", at_, bytes_.size());
  }

  std::string_view bytes_;
  const std::string& where_;
  size_t at_ = 0;
};

static_assert(std::endian::native == std::endian::little, "the wire format is little-endian");

PieceFile::Piece read_piece(std::string_view bytes, size_t id, const std::string& where) {
  PieceFile::Piece piece;
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.is(1, Wire::kBytes)) piece.text = field.bytes;
    if (field.is(2, Wire::kFour)) piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (field.is(3, Wire::kVarint)) {
      if (field.value < 1 || field.value > 6) {
        fail(ErrorCode::kFormat, where, "piece {} has the type {}, expected 1 to 6", id, field.value);
      }
      piece.type = static_cast<GgufTokenType>(field.value);
    }
  }
  return piece;
}

void read_trainer(std::string_view bytes, const std::string& where, PieceFile& file) {
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    const auto number = static_cast<int32_t>(field.value);
    if (field.is(3, Wire::kVarint)) file.model_type = number;
    if (field.is(24, Wire::kVarint)) file.marks_behind_words = field.value != 0;
    if (field.is(35, Wire::kVarint)) file.byte_fallback = field.value != 0;
    if (field.is(40, Wire::kVarint)) file.unknown_id = number;
    if (field.is(41, Wire::kVarint)) file.bos_id = number;
    if (field.is(42, Wire::kVarint)) file.eos_id = number;
    if (field.is(43, Wire::kVarint)) file.padding_id = number;
    if (field.is(45, Wire::kBytes)) file.unknown_piece = field.bytes;
    if (field.is(46, Wire::kBytes)) file.bos_piece = field.bytes;
    if (field.is(47, Wire::kBytes)) file.eos_piece = field.bytes;
    if (field.is(48, Wire::kBytes)) file.padding_piece = field.bytes;
  }
}

void read_normalizer_spec(std::string_view bytes, const std::string& where, PieceFile& file) {
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.is(1, Wire::kBytes)) file.normalizer = field.bytes;
    if (field.is(2, Wire::kBytes)) file.has_character_map = !field.bytes.empty();
    if (field.is(3, Wire::kVarint)) file.add_dummy_prefix = field.value != 0;
    if (field.is(4, Wire::kVarint)) file.remove_extra_whitespaces = field.value != 0;
    if (field.is(5, Wire::kVarint)) file.escape_whitespaces = field.value != 0;
  }
}

class Writer {
 public:
  Writer& number(uint64_t field, int64_t value) {  // negative ones take ten bytes
    varint((field << 3) | static_cast<uint64_t>(Wire::kVarint));
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Writer& four(uint64_t field, float value) {
    varint((field << 3) | static_cast<uint64_t>(Wire::kFour));
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>((bits >> shift) & 0xff);
    return *this;
  }
  Writer& bytes(uint64_t field, std::string_view value) {
    varint((field << 3) | static_cast<uint64_t>(Wire::kBytes));
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& done() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace

PieceFile parse_piece_file(std::string_view bytes, const std::string& where) {
  PieceFile file;
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.is(1, Wire::kBytes)) file.pieces.push_back(read_piece(field.bytes, file.pieces.size(), where));
    if (field.is(2, Wire::kBytes)) read_trainer(field.bytes, where, file);
    if (field.is(3, Wire::kBytes)) read_normalizer_spec(field.bytes, where, file);
  }
  if (file.pieces.empty()) fail(ErrorCode::kFormat, where, "is no SentencePiece model: it has no pieces");
  return file;
}

std::string serialised(const PieceFile& file) {
  Writer model;
  for (const PieceFile::Piece& piece : file.pieces) {
    Writer inner;
    inner.bytes(1, piece.text).four(2, piece.score).number(3, static_cast<int32_t>(piece.type));
    model.bytes(1, inner.done());
  }
  Writer trainer, normalizer;
  trainer.number(3, file.model_type)
      .number(4, static_cast<int64_t>(file.pieces.size()))
      .number(24, file.marks_behind_words)
      .number(35, file.byte_fallback)
      .number(40, file.unknown_id)
      .number(41, file.bos_id)
      .number(42, file.eos_id)
      .number(43, file.padding_id)
      .bytes(45, file.unknown_piece)
      .bytes(46, file.bos_piece)
      .bytes(47, file.eos_piece)
      .bytes(48, file.padding_piece);
  normalizer.bytes(1, file.normalizer)
      .number(3, file.add_dummy_prefix)
      .number(4, file.remove_extra_whitespaces)
      .number(5, file.escape_whitespaces);
  return model.bytes(2, trainer.done()).bytes(3, normalizer.done()).done();
}

}  // namespace prunenet::tokenization
