// A LLaMA tokenizer of any size, for checkpoints that programs load only with one. Its tokens are real and are reached;
// they are no words of a language.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace prunenet {

/// The smallest vocabulary that piece_vocabulary makes: specials, bytes and printable characters.
inline constexpr int64_t kSmallestPieceVocabulary = 512;

/// tokenizer.json (pieces of SentencePiece with byte fallback, written as BPE) and tokenizer_config.json. Tokens:
/// <unk>, <s>, </s>, the bytes, pieces of two letters, of three and so on, and the printable characters. Name -> bytes.
std::map<std::string, std::string> piece_vocabulary(int64_t tokens);

}  // namespace prunenet
