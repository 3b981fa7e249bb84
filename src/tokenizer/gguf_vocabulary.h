// The vocabulary of a GGUF file, and what it is in the files of a Hugging Face folder. The names and numbers are those
// of llama.cpp's `tokenizer.ggml.*` keys. Knows no file format: rooms that read GGUF fill it in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "tokenizer/tokenizer.h"

namespace prunenet {

/// Kinds of tokens, by their numbers in the file.
enum class GgufTokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct GgufVocabulary {
  std::string model;  // "llama": pieces with scores (SentencePiece); "gpt2": byte-level BPE with merges
  std::string pre;    // how BPE splits text into words: "llama-bpe", "gpt-2", "qwen2" ...; pieces: "default"
  std::vector<std::string> tokens;
  std::vector<float> scores;        // of pieces; may be empty for BPE
  std::vector<int32_t> types;       // GgufTokenType; empty: all normal
  std::vector<std::string> merges;  // of BPE: "left right"
  std::optional<TokenId> bos, eos, unknown, padding, separator;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
  std::string chat_template;       // empty: none
  std::string model_name;          // `general.name`: see special_tokens_take_spaces
  std::vector<std::string> notes;  // of gguf_vocabulary, for people: where llama.cpp is known to give other ids
};

/// Whether special tokens take the spaces behind them along: for llama.cpp they do in models with "phi-3" or "phi3" in
/// their names, whatever their tokenizer says.
bool special_tokens_take_spaces(std::string_view model_name);

/// A tokenizer that gives the ids that llama.cpp gives, special tokens that overlap in a text with others of the same
/// length aside; bytes that are no UTF-8 stay what they are, where llama.cpp's BPE puts U+FFFD. Throws kFormat (lists
/// of different lengths, two equal tokens, a merge of unknown tokens, ids outside the vocabulary, an empty vocabulary),
/// kMismatch (BOS or EOS is to be added, but there is none), kUnsupported (another `model` or `pre`: named, with what
/// is known). `where` names the file.
std::unique_ptr<Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary, const std::string& where);

/// The vocabulary of the tokenizer files of a folder, filled up to `size` tokens (the rows of the embedding) with
/// unused ones, as llama.cpp's converter does it: of tokenizer.model; where there is none, or tokenizer.json is
/// byte-level, of tokenizer.json; or of vocab.json and merges.txt. Pieces that only a tokenizer.json holds get scores
/// in the order of its merges. That make_tokenizer gives the folder's own ids is then tried out: on a text, and for
/// pieces without a tokenizer.model on every token. `model_name` is what the file's `general.name` will be.
/// What llama.cpp does otherwise by a rule of its own is said in the `notes`, with an example:
/// - words, where its rule of the pre-tokenizer's name is not what tokenizer.json says (tekken and gpt-4o: words end at
///   the marks of Hindi or Thai letters);
/// - spaces at the start of a text, and what stands behind a special token (tokenizers with Metaspace);
/// - the spaces behind added tokens (see special_tokens_take_spaces), and before them;
/// - added tokens beyond `size`, which are left out.
/// Not noted: GGUF states no NFC. Where the tokenizer composes characters (Qwen, GPT-NeoX), a text that is not composed
/// yet has other ids in llama.cpp.
/// Throws what open_tokenizer throws; kUnsupported for a tokenizer that GGUF cannot state (named: a pre-tokenizer that
/// llama.cpp has no name for, another normalizer, another token than BOS and EOS around every text, any other
/// difference found); kMismatch when a piece or a word of the tokenizer, or what it puts around texts, is beyond
/// `size`.
GgufVocabulary gguf_vocabulary(const std::filesystem::path& folder, int64_t size, const std::string& model_name = {});

/// The files of a Hugging Face folder that say the same: tokenizer.json, tokenizer_config.json, and for pieces
/// tokenizer.model (the protobuf of SentencePiece; left out where its library would not read it: without an unknown
/// piece, or with some of the 256 bytes only). Name -> bytes. open_tokenizer gives the same ids by them, but where a
/// byte has no token, or a piece is made of characters that are none. Throws what make_tokenizer throws.
std::map<std::string, std::string> tokenizer_files(const GgufVocabulary& vocabulary, const std::string& where);

}  // namespace prunenet
