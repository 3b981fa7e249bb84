// A checkpoint as a Hugging Face folder: a GGUF file of the llama architecture, or a folder in another type.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/checkpoint_writer.h"
#include "convert/tensors.h"

namespace prunenet {

struct FolderPlan {
  std::string config_text;
  std::vector<ConvertedTensor> tensors;
  std::map<std::string, std::string> files;  // name -> bytes, beside the weights
  std::vector<std::string> warnings;         // what is missing or was lost
};

/// From a GGUF file (architecture llama; others: kUnsupported): tensors under transformers' names and in its order of
/// rotary rows, config.json, tokenizer files. From a folder: its tensors in another type. `type`: F32, F16 or BF16 of
/// every floating tensor. Nothing: of a folder, every tensor's own; of a GGUF file that of most matrices, F16 where
/// those are quantised, and F32 for vectors that this would round.
FolderPlan plan_folder(const Checkpoint& checkpoint, const ModelDescription& model, std::optional<Dtype> type);

/// Writes the folder `target`, whole or not at all. Returns the bytes of its weight files. Throws as write_slice does.
uint64_t write_folder(const Checkpoint& checkpoint, const FolderPlan& plan, const std::filesystem::path& target,
                      bool overwrite, uint64_t max_shard_bytes, Progress& progress);

}  // namespace prunenet
