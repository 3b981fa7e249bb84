// The vocabulary of a GGUF file: tokens, scores, types and merges, read for the tests only.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace prunenet::test {

struct GgufVocabulary {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int> types;           // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  std::vector<std::string> merges;  // "left right"
};

/// Trusts the file: it is test data.
GgufVocabulary read_gguf_vocabulary(const std::filesystem::path& path);

}  // namespace prunenet::test
