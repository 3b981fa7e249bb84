// From the tokenizer files of a folder to a GGUF vocabulary: the two kinds, and what both have around their tokens.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "tokenizer/config.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/json_node.h"
#include "tokenizer/piece_file.h"

namespace prunenet::tokenization {

/// One token after the other, by id; what is left over becomes unused tokens.
class TokenList {
 public:
  /// Throws kMismatch for an id that is not below `size`.
  TokenList(int64_t size, bool has_scores, const std::string& where);

  void set(TokenId id, const std::string& text, float score, GgufTokenType type);
  /// An added token that the model has no row for: it is noted, and nothing else.
  void leave_out(const AddedToken& token);
  bool has(TokenId id) const;
  TokenId count() const { return static_cast<TokenId>(used_.size()); }
  /// Of tokens that were set.
  const std::string& text(TokenId id) const { return texts_[static_cast<size_t>(id)]; }
  GgufTokenType type(TokenId id) const { return static_cast<GgufTokenType>(types_[static_cast<size_t>(id)]); }

  /// Moves tokens, types and scores into a vocabulary, and adds a note of what was left out.
  void give(GgufVocabulary& vocabulary);

 private:
  void require(TokenId id, std::string_view text) const;

  std::string where_;
  bool has_scores_;
  std::vector<std::string> texts_;
  std::vector<float> scores_;
  std::vector<int32_t> types_;
  std::vector<bool> used_;
  std::set<TokenId> left_out_;
  AddedToken first_left_out_;
};

/// Adds what the side files add to the pieces or words: control tokens, and user-defined ones with their spaces written
/// out. One that lies beyond the list is left out.
void set_added(const AddedToken& token, TokenList& list);

/// From tokenizer.model, with added_tokens.json, tokenizer_config.json and tokenizer.json (where it is present) beside
/// it. Throws kUnsupported for a model that llama.cpp cannot merge by score.
GgufVocabulary vocabulary_of_pieces(const PieceFile& file, const TokenizerConfig& config,
                                    const std::optional<JsonNode>& json, int64_t size, const std::string& where);

/// Whether a tokenizer.json sees texts as bytes; else it is taken for pieces.
bool is_byte_level(const JsonNode& root);

struct JsonVocabulary {
  GgufVocabulary vocabulary;
  bool other_words = false;  // llama.cpp's rule of this name is known to cut some words otherwise
};

/// From a tokenizer.json: byte-level BPE, or SentencePiece written as BPE.
JsonVocabulary vocabulary_of_json(const JsonNode& root, const TokenizerConfig& config, int64_t size);

/// The added tokens as the folder's tokenizer has them: of tokenizer.json, and those of the side files that it lacks.
std::vector<AddedToken> added_tokens_of(const std::optional<JsonNode>& root, const TokenizerConfig& config);

/// Sets the ids of roles, by the texts in the side files, or else by the numbers in config.json; and the template of
/// chats.
void set_roles(const std::filesystem::path& folder, const TokenizerConfig& config, GgufVocabulary& vocabulary);

/// Sets whether BOS and EOS are added, as `tokenizer` does it. Throws kUnsupported where it puts other tokens around a
/// text, kMismatch where they lie beyond the vocabulary.
void set_added_around(const Tokenizer& tokenizer, GgufVocabulary& vocabulary, const std::string& where);

}  // namespace prunenet::tokenization
