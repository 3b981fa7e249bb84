// StreamDecoder: a new id's text is what it adds to the text of the ids just before it.
#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode.h"

namespace prunenet {
namespace {

// Whether the bytes may be the front of a longer sequence: as many as a lead byte and its tail have, with some of the
// tail missing.
bool may_continue(std::string_view bytes) {
  if (bytes.size() > 3) return false;
  for (const char* filling : {"\x80\x80\x80", "\x90\x80\x80", "\xa0\x80\x80", "\xbf\x80\x80"}) {
    std::string whole(bytes);
    whole += filling;
    if (tokenization::valid_sequence_length(whole) > bytes.size()) return true;
  }
  return false;
}

}  // namespace

std::string StreamDecoder::feed(TokenId id) {
  if (!keep_special_ && tokenizer_.is_special(id)) {
    tokenizer_.token(id);  // refuses what is no id
    return {};
  }
  const size_t before = tokenizer_.decode(window_, keep_special_).size();
  window_.push_back(id);
  const std::string text = tokenizer_.decode(window_, keep_special_);
  waiting_ += text.size() > before ? text.substr(before) : std::string();
  for (size_t count = 1; count < window_.size(); ++count) {  // the shortest window that shows anything
    const std::span<const TokenId> last = std::span(window_).last(count);
    if (tokenizer_.decode(last, keep_special_).empty()) continue;
    window_.erase(window_.begin(), window_.end() - static_cast<std::ptrdiff_t>(count));
    break;
  }
  return take_complete(false);
}

std::string StreamDecoder::finish() {
  window_.clear();
  return take_complete(true);
}

std::string StreamDecoder::take_complete(bool all) {
  std::string complete;
  size_t at = 0;
  while (at < waiting_.size()) {
    const std::string_view rest = std::string_view(waiting_).substr(at);
    if (const size_t size = tokenization::valid_sequence_length(rest.substr(0, 4)); size > 0) {
      complete.append(rest.substr(0, size));
      at += size;
    } else if (!all && may_continue(rest)) {
      break;
    } else {
      complete += "\xef\xbf\xbd";
      ++at;
    }
  }
  waiting_.erase(0, at);
  return complete;
}

}  // namespace prunenet
