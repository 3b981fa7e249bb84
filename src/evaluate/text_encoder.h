// From texts to the requests an engine scores, as lm-evaluation-harness encodes a context and its continuation.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace prunenet {

enum class BosRule { kAuto, kAlways, kNever };  // kAuto: where the tokenizer adds it

struct EncoderOptions {
  BosRule bos = BosRule::kAuto;
  bool parse_special = false;  // "</s>" in a text is the special token, not the four characters
  int64_t max_context = 0;     // 0: no limit
};

class TextEncoder {
 public:
  /// `tokenizer` must outlive it. Throws kBadOption for kAlways where the tokenizer has no BOS.
  TextEncoder(const Tokenizer& tokenizer, const EncoderOptions& options);

  /// What is put before every sequence: BOS, or nothing.
  std::optional<TokenId> bos() const { return bos_; }
  int64_t max_context() const { return options_.max_context; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// The ids of a text alone, without BOS.
  std::vector<TokenId> encode(std::string_view text) const;

  struct Pair {
    std::vector<ScoreRequest> requests;  // one, but for continuations that do not fit at once
    int64_t cut = 0;                     // ids at the front of the context that the first of them does not see
  };
  /// The requests that score `continuation` after `context`. Whitespace at the end of the context moves to the
  /// continuation; both are encoded together, and the ids beyond those of the context alone are the continuation. Where
  /// both are longer than max_context, the front of the context is cut (BOS with it). A continuation that does not fit
  /// even so is scored in several requests: each of its ids once, after as many as fit before it. An empty context is
  /// BOS, or EOS where the tokenizer has no BOS. Throws kUnsupported, naming `where`, when the continuation has no id
  /// of its own.
  Pair encode_pair(std::string_view context, std::string_view continuation, const std::string& where) const;

 private:
  std::vector<TokenId> with_bos(std::string_view text) const;

  const Tokenizer& tokenizer_;
  EncoderOptions options_;
  std::optional<TokenId> bos_;
};

}  // namespace prunenet
