// Text from ids that come one by one: what is complete comes out at once, half a character waits for its other half.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace prunenet {

/// Fed with all ids of a text in turn, `feed` and `finish` give together what `Tokenizer::decode` gives for them all (a
/// leading space dropped at the start only), but for bytes that make no UTF-8, each of which comes out as U+FFFD.
class StreamDecoder {
 public:
  /// `tokenizer` must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool keep_special = false)
      : tokenizer_(tokenizer), keep_special_(keep_special) {}

  /// The text that `id` completes, valid UTF-8 and often empty. Throws like decode. Cost: that of decoding a few ids.
  std::string feed(TokenId id);
  /// What still waited, when no more ids come. The next `feed` begins a new text.
  std::string finish();

 private:
  std::string take_complete(bool all);

  const Tokenizer& tokenizer_;
  bool keep_special_;
  std::vector<TokenId> window_;  // the last ids, enough of them to see the next one not at a start
  std::string waiting_;          // bytes that may be the front of a character
};

}  // namespace prunenet
