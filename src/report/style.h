// The page's style sheet.
// Holds: its declaration; the text is in style.cpp.
// Leaves out: markup.
#pragma once

#include <string_view>

namespace prunenet {

/// CSS for the whole page: light and dark, wide and narrow, screen and paper. Refers to no outside resource.
std::string_view page_style();

}  // namespace prunenet
