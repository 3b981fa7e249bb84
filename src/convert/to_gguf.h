// A checkpoint as a GGUF file for llama.cpp.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "base/progress.h"
#include "checkpoint/gguf_writer.h"
#include "convert/tensors.h"
#include "model/transformer.h"

namespace prunenet {

struct GgufPlan {
  GgufMetadata metadata;
  std::vector<ConvertedTensor> tensors;
  std::vector<std::string> notes;     // what a person may like to know
  std::vector<std::string> warnings;  // what is lost, left out, or different in llama.cpp
};

struct ToGgufOptions {
  std::optional<Dtype> type;                 // of matrices: F32, F16, BF16 or Q8_0; nothing: as they are stored
  bool vocabulary = true;                    // false: none is written, and llama.cpp takes token ids only
  std::string name;                          // general.name; empty: the folder's
  std::map<std::string, std::string> extra;  // further keys with their texts: how the model came to be
};

/// From a folder: tensors renamed, reordered and transposed as llama.cpp wants them, metadata from config.json, the
/// vocabulary from the tokenizer's files. From a GGUF file: the same file with its matrices in another type. Vectors
/// are stored as F32, as llama.cpp needs them; a matrix whose rows are no whole blocks of Q8_0 becomes F16 (noted).
/// Throws kUnsupported (see find_architecture, gguf_vocabulary), kNotFound (no tokenizer).
GgufPlan plan_gguf(const Checkpoint& checkpoint, const ModelDescription& model, const ToGgufOptions& options);

/// Writes the file `target`, whole or not at all. Returns its bytes. Throws kExists, kNoSpace, kIo, kNonFinite,
/// kBadOption when target lies in the source's folder or is the source.
uint64_t write_gguf(const Checkpoint& checkpoint, const GgufPlan& plan, const std::filesystem::path& target,
                    bool overwrite, Progress& progress);

/// The same into a file whose place is taken already.
uint64_t write_gguf(const Checkpoint& checkpoint, const GgufPlan& plan, OutputFile& file, Progress& progress);

/// Throws what write_gguf would throw of the target: to be asked before work.
void require_gguf_possible(const Checkpoint& checkpoint, const std::filesystem::path& target, bool overwrite);

}  // namespace prunenet
