// Windows of a text file.
#include "cli/text_windows.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/token_input.h"
#include "evaluate/text.h"

namespace prunenet::cli {

namespace {
constexpr uint64_t kLargestTextBytes = uint64_t{1} << 30;
}

std::vector<std::vector<TokenId>> text_windows(const OpenModel& open, const std::string& file, int64_t tokens,
                                               int64_t limit, const std::string& instead) {
  const auto tokenizer = require_tokenizer(open, instead);
  EncodeOptions plain;
  plain.add_special = false;
  const std::string text = read_text_file(file, kLargestTextBytes);
  if (text.empty()) fail(ErrorCode::kBadOption, file, "is empty; at least two tokens are needed");
  if (const auto bad = first_bad_utf8(text))
    fail(ErrorCode::kFormat, file, "byte {} is no UTF-8; the text must be UTF-8", *bad);
  const std::vector<TokenId> ids = tokenizer->encode(text, plain);
  const bool with_bos = tokenizer->adds_bos() && tokenizer->bos().has_value() && tokens > 1;
  const size_t step = static_cast<size_t>(tokens) - (with_bos ? 1 : 0);
  std::vector<std::vector<TokenId>> windows;
  for (size_t begin = 0; begin < ids.size(); begin += step) {
    if (limit > 0 && static_cast<int64_t>(windows.size()) == limit) break;
    std::vector<TokenId> window(with_bos ? 1 : 0, tokenizer->bos().value_or(0));
    const size_t end = std::min(begin + step, ids.size());
    for (size_t i = begin; i < end; ++i) window.push_back(ids[i]);
    if (window.size() < 2) break;  // a last token with nothing before it
    check_ids(window, open.model, file);
    windows.push_back(std::move(window));
  }
  if (windows.empty()) fail(ErrorCode::kBadOption, file, "becomes {} tokens; at least two are needed", ids.size());
  return windows;
}

}  // namespace prunenet::cli
