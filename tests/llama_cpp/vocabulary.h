// Tokenizers for the golden models, which have 512 tokens and none: made on the spot, each as the tokenizer.json of its
// family is built. llama.cpp loads no model without a real vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet::test {

/// How a tokenizer.json is built. The first three are SentencePiece's pieces (with byte fallback) written as BPE: a
/// piece's place says its rank. The others are byte-level BPE and differ in how text is cut into words.
enum class VocabularyKind {
  kLlama,   // <unk> <s> </s>, then bytes; a space before every text; BOS in front
  kPhi3,    // the same with special tokens behind the pieces; fewer tokens than rows
  kGemma,   // <pad> <bos> <eos> <unk>, then bytes; no space before a text
  kGpt2,    // GPT-2's expression
  kNeox,    // the same behind NFC; fewer tokens than rows
  kPhi2,    // GPT-2's, with runs of spaces as added tokens; fewer tokens than rows
  kFalcon,  // punctuation, GPT-2's expression, digits by threes
  kQwen2,   // its own expression, behind NFC; fewer tokens than rows
  kLlama3,  // its own expression (digits by threes at most); BOS in front
};

/// The kind that goes with a `model_type` of config.json ("llama", "gpt_neox"). Throws std::invalid_argument for
/// another.
VocabularyKind vocabulary_kind(std::string_view model_type);

/// tokenizer.json and tokenizer_config.json for a model with `rows` rows in its embedding (512 or more). Name -> bytes.
/// BOS is token 1 and EOS token 2, as the configs of the goldens say.
std::map<std::string, std::string> vocabulary_files(VocabularyKind kind, int64_t rows);

/// Copies a model (config, weights and shard index) into the new folder `target` and puts the tokenizer of its family
/// beside it.
void copy_with_vocabulary(const std::filesystem::path& model, const std::filesystem::path& target);
/// The same with a tokenizer of that kind.
void copy_with_vocabulary(const std::filesystem::path& model, const std::filesystem::path& target, VocabularyKind kind);

/// Texts that tell tokenizers apart: spaces, digits, punctuation, contractions, other scripts, emoji, control
/// characters.
const std::vector<std::string>& telling_texts();

/// The special tokens of every kind (to the other kinds they are text), alone, twice in a row, between words, and with
/// spaces before and behind them.
const std::vector<std::string>& special_texts();

}  // namespace prunenet::test
