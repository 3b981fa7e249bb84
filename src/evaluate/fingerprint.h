// What a tokenizer is, as a short hash: so that a journal is never continued with another (of models: checkpoint/fingerprint.h).
#pragma once

#include <filesystem>
#include <string>

namespace prunenet {

/// SHA-256 over the tokenizer's files in a folder.
std::string tokenizer_fingerprint(const std::filesystem::path& folder);

}  // namespace prunenet
