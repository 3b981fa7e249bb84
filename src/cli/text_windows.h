// A text file as token windows: what compare measures on and what calibration by a file reads.
#pragma once

#include <string>
#include <vector>

#include "base/token_id.h"
#include "cli/verb.h"

namespace prunenet::cli {

/// The file's ids in windows of at most `tokens` that do not overlap, at most `limit` of them (0: all). Where the
/// tokenizer puts BOS in front of a text, each window begins with it. `instead`: what works without a tokenizer. Throws
/// for a file that is empty, no UTF-8 or too short, and for ids that the model does not know.
std::vector<std::vector<TokenId>> text_windows(const OpenModel& open, const std::string& file, int64_t tokens,
                                               int64_t limit, const std::string& instead);

}  // namespace prunenet::cli
