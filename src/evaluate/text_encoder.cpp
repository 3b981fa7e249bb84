// Encoding contexts and continuations.
#include "evaluate/text_encoder.h"

#include <algorithm>

#include "base/error.h"
#include "evaluate/text.h"

namespace prunenet {

TextEncoder::TextEncoder(const Tokenizer& tokenizer, const EncoderOptions& options)
    : tokenizer_(tokenizer), options_(options) {
  if (options.bos == BosRule::kAlways && !tokenizer.bos())
    fail(ErrorCode::kBadOption, "--bos always", "the tokenizer has no BOS");
  const bool wanted = options.bos == BosRule::kAlways || (options.bos == BosRule::kAuto && tokenizer.adds_bos());
  if (wanted) bos_ = tokenizer.bos();
}

std::vector<TokenId> TextEncoder::encode(std::string_view text) const {
  return tokenizer_.encode(text, {.add_special = false, .parse_special = options_.parse_special});
}

std::vector<TokenId> TextEncoder::with_bos(std::string_view text) const {
  std::vector<TokenId> ids = encode(text);
  if (bos_) ids.insert(ids.begin(), *bos_);
  return ids;
}

TextEncoder::Pair TextEncoder::encode_pair(std::string_view context, std::string_view continuation,
                                           const std::string& where) const {
  std::vector<TokenId> whole;
  size_t context_size = 0;
  if (context.empty()) {
    const auto first = tokenizer_.bos() ? tokenizer_.bos() : tokenizer_.eos();
    if (!first)
      fail(ErrorCode::kUnsupported, where,
           "the context is empty, and the tokenizer has neither BOS nor EOS to begin with");
    whole = encode(continuation);
    whole.insert(whole.begin(), *first);
    context_size = 1;
  } else {
    const std::string_view kept = strip_end(context);
    whole = with_bos(std::string(context) + std::string(continuation));
    context_size = with_bos(kept).size();
  }
  if (whole.size() <= context_size || context_size == 0) {
    fail(ErrorCode::kUnsupported, where, "the tokenizer gives the continuation '{}' no id of its own after its context",
         continuation);
  }
  const auto size = static_cast<int64_t>(whole.size());
  const int64_t limit = options_.max_context > 0 ? std::max<int64_t>(2, options_.max_context) : size;
  Pair pair;
  for (auto scored = static_cast<int64_t>(context_size); scored < size;) {
    const int64_t end = std::min(size, scored + limit - 1), begin = std::max<int64_t>(0, end - limit);
    if (pair.requests.empty()) pair.cut = begin;
    pair.requests.push_back({{whole.begin() + begin, whole.begin() + end}, scored - begin});
    scored = end;
  }
  return pair;
}

}  // namespace prunenet
