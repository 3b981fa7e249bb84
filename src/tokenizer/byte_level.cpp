// The byte-level alphabet: what is printable in Latin-1 stands for itself, the rest for U+0100 and on, in order.
#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

struct Alphabet {
  std::array<char32_t, 256> characters{};
  std::array<int16_t, 0x180> bytes{};
  std::array<std::string, 256> texts;

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      characters[byte] = printable ? byte : next++;
      bytes[characters[byte]] = static_cast<int16_t>(byte);
      append_code_point(texts[byte], characters[byte]);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet it;
  return it;
}

}  // namespace

char32_t byte_level_character(unsigned char byte) {
  return alphabet().characters[byte];
}

std::optional<char> byte_level_byte(char32_t character) {
  const Alphabet& all = alphabet();
  if (character >= all.bytes.size() || all.bytes[character] < 0) return std::nullopt;
  return static_cast<char>(all.bytes[character]);
}

void append_byte_level(std::string& mapped, std::string_view text) {
  const Alphabet& all = alphabet();
  for (size_t at = 0; at < text.size(); ++at) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte == 0xed) {
      if (const auto escaped = escaped_byte(code_point_at(text, at).value)) {
        byte = static_cast<unsigned char>(*escaped);
        at += 2;
      }
    }
    mapped += all.texts[byte];
  }
}

}  // namespace prunenet::tokenization
