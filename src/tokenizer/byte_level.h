// The byte-level alphabet of GPT-2 (Radford et al. 2019): each byte as one printable character, so that a vocabulary of
// texts can hold any bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace prunenet::tokenization {

/// The character that stands for a byte.
char32_t byte_level_character(unsigned char byte);
/// The byte that a character stands for.
std::optional<char> byte_level_byte(char32_t character);

/// Appends the bytes of `text` as characters; an escape (unicode.h) counts as the byte it stands for.
void append_byte_level(std::string& mapped, std::string_view text);

/// GPT-2's expression, which cuts a text into words.
inline constexpr const char* kByteLevelRegex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace prunenet::tokenization
