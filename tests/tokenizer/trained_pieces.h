// A SentencePiece model that is trained on the spot.
#pragma once

#include <string>
#include <vector>

namespace prunenet::test {

/// What it is trained on.
std::vector<std::string> sentences();

/// tokenizer.model as Llama's are made: BPE with byte fallback, texts as they are, and the user-defined symbol [X].
const std::string& llama_like_model();

/// One that is trained with these options of the trainer besides.
std::string trained_model(const std::string& options);

}  // namespace prunenet::test
