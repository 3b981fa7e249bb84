// The vocabulary of a GGUF file, read for the tests only: the room itself knows no file format.
#pragma once

#include <filesystem>

#include "tokenizer/gguf_vocabulary.h"

namespace prunenet::test {

/// Trusts the file: it is test data.
GgufVocabulary read_gguf_vocabulary(const std::filesystem::path& path);

}  // namespace prunenet::test
