// Text to token ids and back, as the tokenizer files of a Hugging Face folder say: tokenizer.json (BPE, byte-level or
// with byte fallback) or tokenizer.model (sentencepiece). Knows no model and runs none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"

namespace prunenet {

struct EncodeOptions {
  bool add_special = true;     // what the post-processor adds, e.g. BOS at the front
  bool parse_special = false;  // special tokens written out in the text ("</s>") become their ids; else they are text
};

/// Every const function is safe from several threads. decode(encode(text)) is the text, any bytes included, where the
/// vocabulary has a token for each byte (byte-level, or byte fallback), with these exceptions: a normalizer's changes
/// stay (NFC); pieces write a space as U+2581, so that a U+2581 of the text comes back as a space; a text that begins
/// where the tokenizer puts a space of its own may lose or gain one; tokenizer.model replaces bytes that are no UTF-8
/// by U+FFFD.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  /// The text of ids; special tokens are left out unless `keep_special`. Bytes that make no UTF-8 come out as they are.
  /// Throws kBadOption for an id outside the vocabulary.
  virtual std::string decode(std::span<const TokenId> ids, bool keep_special = false) const = 0;

  /// One more than the largest id, added tokens included.
  virtual int64_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  /// Whether encode puts BOS at the front.
  virtual bool adds_bos() const = 0;

  /// The token as the vocabulary writes it ("\u0120the"); throws like decode.
  virtual std::string token(TokenId id) const { return decode(std::span(&id, 1), true); }
  /// Whether decode leaves the id out.
  virtual bool is_special(TokenId) const { return false; }
};

/// Whether the folder holds a file that open_tokenizer reads.
bool has_tokenizer(const std::filesystem::path& folder);

/// Opens tokenizer.json, or where there is none tokenizer.model, or where there is none vocab.json with merges.txt
/// (GPT-2, OPT); with tokenizer_config.json, special_tokens_map.json and added_tokens.json beside it. Throws kNotFound
/// (there is none), kFormat (a damaged file, named with what is wrong), kUnsupported (a kind of model, normalizer,
/// pre-tokenizer or decoder that this program does not know, by its name).
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& folder);

}  // namespace prunenet
