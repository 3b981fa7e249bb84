// The trained demo model as a folder that transformers and llama.cpp's converter read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "bpe_trainer.h"
#include "story_model.h"

namespace prunenet {

/// Writes config, weights (rounded to bf16), tokenizer and `card` (README.md) to `folder`, whole or not at all. Gives
/// the bytes written. Throws what OutputFolder throws.
uint64_t write_story_model(const std::filesystem::path& folder, bool overwrite, const StoryModel& model,
                           const BpeVocabulary& vocabulary, const std::string& card);

}  // namespace prunenet
