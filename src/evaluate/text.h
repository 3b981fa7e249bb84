// What the tasks' prompts need of text: the strip, split and capitalise of the Python programs that define them, over
// UTF-8. No locale is asked: equal text gives equal prompts on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prunenet {

/// Without the Unicode whitespace at both ends (what str.strip of Python removes).
std::string_view strip(std::string_view text);
/// Without the Unicode whitespace at the end.
std::string_view strip_end(std::string_view text);

/// Characters, not bytes. Bytes that are no UTF-8 count one each.
int64_t count_characters(std::string_view text);

/// The first character in upper case and all others in lower case, as str.capitalize of Python for the Latin (with
/// Latin-1 and Latin Extended-A), Greek and Cyrillic letters; other characters stay.
std::string capitalised(std::string_view text);

/// A to Z in lower case; other characters stay.
std::string lower_ascii(std::string text);

/// Every `from` becomes `to`, from left to right. `from` must not be empty.
std::string replaced(std::string text, std::string_view from, std::string_view to);

/// Where the first byte stands that is no UTF-8 (RFC 3629: overlong forms and surrogates are none), or nothing.
std::optional<uint64_t> first_bad_utf8(std::string_view text);

}  // namespace prunenet
