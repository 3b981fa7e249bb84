// UTF-8 by hand (Unicode 15, table 3-7); properties and normal forms by utf8proc.
#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

unsigned byte_at(std::string_view text, size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Bytes at the front that are ASCII, eight at a time.
size_t ascii_prefix(std::string_view text) {
  size_t at = 0;
  for (uint64_t eight; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if (eight & 0x8080808080808080u) break;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

utf8proc_category_t category(char32_t value) {
  return value > 0x10ffff ? UTF8PROC_CATEGORY_CN : utf8proc_category(static_cast<utf8proc_int32_t>(value));
}

// `text` is valid and free of escapes.
void append_normalised(std::string& out, std::string_view text, NormalForm form) {
  constexpr std::array<int, 4> kOptions{UTF8PROC_COMPOSE, UTF8PROC_DECOMPOSE, UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
  const auto options = static_cast<utf8proc_option_t>(kOptions[static_cast<size_t>(form)] | UTF8PROC_STABLE);
  utf8proc_uint8_t* result = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &result, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (size < 0) fail(ErrorCode::kInternal, "text", "cannot be normalised: {}", utf8proc_errmsg(size));
  out.append(reinterpret_cast<const char*>(result), static_cast<size_t>(size));
}

}  // namespace

size_t valid_sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte_at(text, 1);
  if (first == 0xe0 && second < 0xa0) return 0;   // longer than needed
  if (first == 0xed && second >= 0xa0) return 0;  // surrogates
  if (first == 0xf0 && second < 0x90) return 0;   // longer than needed
  if (first == 0xf4 && second >= 0x90) return 0;  // beyond U+10FFFF
  return size;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    at += ascii_prefix(text.substr(at));
    if (at == text.size()) break;
    const size_t size = valid_sequence_length(text.substr(at, 4));
    if (size == 0) return false;
    at += size;
  }
  return true;
}

std::string escape_invalid(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t size = valid_sequence_length(text.substr(at, 4));
    if (size == 0) {
      append_code_point(escaped, 0xdc00 + byte_at(text, at++));
    } else {
      escaped.append(text, at, size);
      at += size;
    }
  }
  return escaped;
}

std::optional<char> escaped_byte(char32_t value) {
  if (value < 0xdc80 || value > 0xdcff) return std::nullopt;
  return static_cast<char>(value - 0xdc00);
}

CodePoint code_point_at(std::string_view text, size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return {first, 1};
  const auto low = [&](size_t i) { return at + i < text.size() ? byte_at(text, at + i) & 0x3f : 0u; };
  if (first < 0xe0) return {(first & 0x1f) << 6 | low(1), 2};
  if (first < 0xf0) return {(first & 0x0f) << 12 | low(1) << 6 | low(2), 3};
  return {(first & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4};
}

void append_code_point(std::string& text, char32_t value) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (value >> shift & 0x3f)); };
  if (value < 0x80) {
    text += static_cast<char>(value);
  } else if (value < 0x800) {
    text += static_cast<char>(0xc0 | value >> 6);
    tail(0);
  } else if (value < 0x10000) {
    text += static_cast<char>(0xe0 | value >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | value >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_space(char32_t value) {
  return (value >= 0x09 && value <= 0x0d) || value == 0x20 || value == 0x85 || value == 0xa0 || value == 0x1680 ||
         (value >= 0x2000 && value <= 0x200a) || value == 0x2028 || value == 0x2029 || value == 0x202f ||
         value == 0x205f || value == 0x3000;
}

bool is_punctuation(char32_t value) {
  if (value < 0x80) return std::ispunct(static_cast<int>(value)) != 0;
  const auto found = category(value);
  return found >= UTF8PROC_CATEGORY_PC && found <= UTF8PROC_CATEGORY_PO;
}

bool is_numeric(char32_t value) {
  const auto found = category(value);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

bool is_word(char32_t value) {
  const auto found = category(value);
  if (found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_NL) return true;  // L, M, Nd, Nl stand in a row
  if (found == UTF8PROC_CATEGORY_PC || value == 0x200c || value == 0x200d) return true;
  // Circled and squared letters: alphabetic symbols.
  return (value >= 0x24b6 && value <= 0x24e9) || (value >= 0x1f130 && value <= 0x1f149) ||
         (value >= 0x1f150 && value <= 0x1f169) || (value >= 0x1f170 && value <= 0x1f189);
}

std::string normalised(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size());
  size_t kept = 0;  // what lies before went out
  for (size_t at = ascii_prefix(text); at < text.size(); at = kept + ascii_prefix(text.substr(kept))) {
    // Nothing composes with an ASCII character before it, so that a stretch from one of them to the next stands alone.
    size_t begin = at > kept ? at - 1 : at, end = at;
    out.append(text, kept, begin - kept);
    while (end < text.size() && byte_at(text, end) >= 0x80) {
      const CodePoint point = code_point_at(text, end);
      if (escaped_byte(point.value)) break;
      end += point.size_bytes;
    }
    append_normalised(out, text.substr(begin, end - begin), form);
    kept = end;
    while (kept < text.size() && byte_at(text, kept) >= 0x80) {
      const CodePoint point = code_point_at(text, kept);
      if (!escaped_byte(point.value)) break;
      out.append(text, kept, point.size_bytes);
      kept += point.size_bytes;
    }
  }
  return out.append(text.substr(kept));
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    at += point.size_bytes;
    if (point.value == 0x130) {
      out += "i\xcc\x87";  // the one character whose lower case is two
    } else if (escaped_byte(point.value)) {
      append_code_point(out, point.value);
    } else {
      append_code_point(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point.value))));
    }
  }
  return out;
}

}  // namespace prunenet::tokenization
