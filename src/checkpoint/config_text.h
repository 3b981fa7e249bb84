// Changing values of a JSON file in place: every other byte (order, spacing, number spelling) stays as it is.
#pragma once

#include <string>
#include <string_view>

namespace prunenet {

/// `json` with the value of the top-level `key` replaced by `value` (itself JSON text, e.g. "7680"). A key that is not
/// there is added at the end of the object. When the key stands twice, the last one counts for every reader and is the
/// one changed. `json` must be a JSON object; `where` names it in errors. Throws kFormat, also for
/// nesting deeper than any config's.
std::string with_top_level_value(std::string_view json, std::string_view key, std::string_view value,
                                 const std::string& where);

}  // namespace prunenet
