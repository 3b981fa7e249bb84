// Text as Python's str methods see it.
#include "evaluate/text.h"

namespace prunenet {
namespace {

struct Character {
  char32_t code = 0;
  size_t size_bytes = 1;
  bool valid = false;
};

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// The character at the front of `text`, which must not be empty.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {lead, 1, false};
  char32_t code = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[i])) return {lead, 1, false};
    code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {lead, 1, false};
  return {code, size, true};
}

Character last_character(std::string_view text) {
  size_t size = 1;
  while (size < 4 && size < text.size() && is_continuation(text[text.size() - size])) ++size;
  const Character found = first_character(text.substr(text.size() - size));
  return found.size_bytes == size ? found : Character{static_cast<unsigned char>(text.back()), 1, false};
}

bool is_space(const Character& character) {
  const char32_t c = character.code;
  if (!character.valid) return false;
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Latin Extended-A pairs an even capital with the odd letter after it, but from 0x139 to 0x148 and 0x179 to 0x17E.
bool odd_capitals(char32_t c) {
  return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
}
bool is_paired(char32_t c) {
  return c >= 0x100 && c <= 0x17E && c != 0x130 && c != 0x131 && c != 0x138 && c != 0x149 && c != 0x178;
}

char32_t lower(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c == 0x178) return 0xFF;
  if (is_paired(c)) return (c % 2 == 1) == odd_capitals(c) ? c + 1 : c;
  if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  return c;
}

char32_t upper(char32_t c) {
  if (c >= 'a' && c <= 'z') return c - 32;
  if (c >= 0xE0 && c <= 0xFE && c != 0xF7) return c - 32;
  if (c == 0xFF) return 0x178;
  if (is_paired(c)) return (c % 2 == 1) == odd_capitals(c) ? c : c - 1;
  if (c == 0x3C2) return 0x3A3;
  if (c >= 0x3B1 && c <= 0x3CB) return c - 32;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  return c;
}

// Only what upper and lower give: below 0x800.
void append_character(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else {
    text += static_cast<char>(0xC0 | (c >> 6));
    text += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace

std::string_view strip_end(std::string_view text) {
  while (!text.empty()) {
    const Character last = last_character(text);
    if (!is_space(last)) break;
    text.remove_suffix(last.size_bytes);
  }
  return text;
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const Character first = first_character(text);
    if (!is_space(first)) break;
    text.remove_prefix(first.size_bytes);
  }
  return strip_end(text);
}

int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); text.remove_prefix(first_character(text).size_bytes)) ++count;
  return count;
}

std::string capitalised(std::string_view text) {
  std::string result;
  bool is_first = true;
  while (!text.empty()) {
    const Character character = first_character(text);
    const char32_t changed = is_first ? upper(character.code) : lower(character.code);
    if (character.valid && changed != character.code) {
      append_character(result, changed);
    } else {
      result += text.substr(0, character.size_bytes);
    }
    text.remove_prefix(character.size_bytes);
    is_first = false;
  }
  return result;
}

std::string lower_ascii(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::optional<uint64_t> first_bad_utf8(std::string_view text) {
  const size_t whole = text.size();
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid) return whole - text.size();
    text.remove_prefix(character.size_bytes);
  }
  return std::nullopt;
}

}  // namespace prunenet
