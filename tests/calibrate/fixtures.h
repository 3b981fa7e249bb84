// Checkpoints that are open with their description, and what the tests of shrinking share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/scratch_file.h"
#include "base/store_part.h"
#include "calibrate/shrink.h"
#include "linalg/matrices.h"
#include "support/tiny_model.h"

namespace prunenet::test {

/// Folders of golden/ that hold a model.
inline const std::vector<std::string> kGoldenFamilies{"llama", "llama_sharded", "llama_bf16",     "mistral", "qwen2",
                                                      "gemma", "phi",           "phi3",           "opt",     "gpt_neox",
                                                      "gpt2",  "falcon7b_mqa",  "falcon_rw_alibi"};

struct OpenedModel {
  explicit OpenedModel(const std::filesystem::path& folder)
      : checkpoint(folder), model(describe_model(checkpoint)), scratch(scratch_folder.path()) {}
  /// A store of a run of its own.
  ResultStore& new_store() {
    return *stores.emplace_back(std::make_unique<StorePart>(scratch, std::to_string(stores.size()) + "/"));
  }
  int64_t layers() const { return static_cast<int64_t>(model.layers.size()); }

  Checkpoint checkpoint;
  ModelDescription model;
  TemporaryFolder scratch_folder;
  ScratchFile scratch;
  std::vector<std::unique_ptr<StorePart>> stores;
  SilentProgress silent;
};

/// Every tensor that was replaced, as bytes.
inline std::map<std::string, std::string> replaced_bytes(const ChangedModel& changed) {
  std::map<std::string, std::string> bytes;
  for (const auto& [name, part] : changed.replaced())
    bytes[name].assign(reinterpret_cast<const char*>(part.data()), part.size());
  return bytes;
}

/// Two thirds of every layer's neurons.
inline ShrinkPlan two_thirds(const ModelDescription& model) {
  ShrinkPlan plan;
  for (const LayerDescription& layer : model.layers) plan.widths.push_back(layer.ffn.neurons.width * 2 / 3);
  return plan;
}

}  // namespace prunenet::test
