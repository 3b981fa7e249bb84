// UTF-8 and the few Unicode properties that tokenizers ask for: classes of characters, lower case, normal forms.
// Bytes that are no UTF-8 are carried through the text steps as "escapes", so that no byte of a text is ever lost: the
// byte b stands as the lone surrogate U+DC00 + b in the three bytes that UTF-8 would use for it. Real text cannot hold
// one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace prunenet::tokenization {

/// Bytes [begin, end) of a text.
struct Span {
  size_t begin = 0, end = 0;

  bool empty() const { return begin == end; }
  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
  bool operator==(const Span&) const = default;
};

/// Length in bytes of the valid UTF-8 sequence at the front of `text`, 0 where there is none.
size_t valid_sequence_length(std::string_view text);
bool is_valid_utf8(std::string_view text);

/// `text` with every byte that belongs to no valid sequence as an escape.
std::string escape_invalid(std::string_view text);
/// The byte that an escape stands for.
std::optional<char> escaped_byte(char32_t value);

struct CodePoint {
  char32_t value = 0;
  size_t size_bytes = 0;
};
/// The code point at byte `at` of a text that is valid but for escapes.
CodePoint code_point_at(std::string_view text, size_t at);
void append_code_point(std::string& text, char32_t value);

bool is_space(char32_t value);        // White_Space
bool is_punctuation(char32_t value);  // category P, and all that ASCII calls punctuation
bool is_numeric(char32_t value);      // category N
bool is_word(char32_t value);         // letters, marks, digits, connectors

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string normalised(std::string_view text, NormalForm form);
/// Lower case of each character by itself (no rule for a final sigma).
std::string lower_case(std::string_view text);

}  // namespace prunenet::tokenization
