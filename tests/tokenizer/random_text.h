// Texts by chance, the same ones in every run.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tokenizer/unicode.h"

namespace prunenet::test {

/// Up to `most` characters: ASCII, spaces and line ends, accents and combining marks, CJK, Hangul, emoji, digits of
/// other scripts.
inline std::string random_unicode(std::mt19937& random, size_t most) {
  const auto pick = [&](uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random() % (high - low + 1));
  };
  std::string text;
  for (size_t count = random() % (most + 1); count > 0; --count) {
    switch (random() % 9) {
      case 0:
        tokenization::append_code_point(text, " \n\t\r "[random() % 5]);
        break;
      case 1:
        tokenization::append_code_point(text, pick(0x00a0, 0x024f));
        break;
      case 2:
        tokenization::append_code_point(text, pick(0x0300, 0x036f));
        break;
      case 3:
        tokenization::append_code_point(text, pick(0x4e00, 0x9fff));
        break;
      case 4:
        tokenization::append_code_point(text, pick(0x1100, 0x11ff));
        break;
      case 5:
        tokenization::append_code_point(text, pick(0x1f300, 0x1faff));
        break;
      case 6:
        tokenization::append_code_point(text, pick(0x0660, 0x0669));
        break;
      default:
        tokenization::append_code_point(text, pick(0x00, 0x7f));
        break;
    }
  }
  return text;
}

/// Words, numbers, marks and spaces of many kinds, in runs. Every character has been in Unicode for long.
inline std::string random_words(std::mt19937& random) {
  static const std::vector<std::string> parts{"the",
                                              "Cat",
                                              "It's",
                                              "THEY'RE",
                                              "I'll",
                                              "he'D",
                                              "'s",
                                              "'S",
                                              "don't",
                                              "camelCase",
                                              "HTTPServer",
                                              "größe",
                                              "Ünï",
                                              "Привет",
                                              "κόσμε",
                                              "我想在",
                                              "苹果",
                                              "テキスト",
                                              "한국어",
                                              "שלום",
                                              "عالم",
                                              "हिन्दी",
                                              "ภาษา",
                                              "កាន់តែ",
                                              "😀",
                                              "🦙🦙",
                                              "½",
                                              "²",
                                              "①②",
                                              "٣٤",
                                              "$1,234.56",
                                              "1e-9",
                                              "333",
                                              "12345678",
                                              "__init__",
                                              "==>",
                                              "...",
                                              "!!!?",
                                              "---",
                                              "<s>",
                                              "</s>",
                                              "<|endoftext|>",
                                              "▁",
                                              "▁▁the",
                                              "«x»",
                                              "“y”",
                                              "#",
                                              "//",
                                              "\\n",
                                              "{}",
                                              "()",
                                              "a.b",
                                              "http://x.y/z?a=b",
                                              "ǅ",
                                              "ſs",
                                              "ß",
                                              "e\u0301",
                                              "a",
                                              "1",
                                              "-",
                                              "'",
                                              "é",
                                              "한",
                                              "\u180e",
                                              "\u200b",
                                              "\ufeff"};
  static const std::vector<std::string> spaces{"",    " ",    " ",  " ",      "  ",     "   ",    "\n", "\n\n",    "\t",
                                               " \n", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\v", "        "};
  std::string text;
  for (size_t count = random() % 14; count > 0; --count) {
    const std::string& part = parts[random() % parts.size()];
    for (size_t times = random() % 5 == 0 ? 1 + random() % 8 : 1; times > 0; --times) text += part;
    text += spaces[random() % spaces.size()];
  }
  return text;
}

inline std::string random_bytes(std::mt19937& random, size_t most) {
  std::string bytes(random() % (most + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace prunenet::test
